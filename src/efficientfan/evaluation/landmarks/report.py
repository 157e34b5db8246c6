"""Landmark results for people: the table as text, the error curve, error by landmark, reliability, the worst faces.

In tables all errors, rates and areas are percent. Plots need matplotlib (extra `plots`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from efficientfan.draw import contact_sheet
from efficientfan.evaluation.landmarks.mean_shape import fit_mean_shape
from efficientfan.evaluation.landmarks.reliability import Reliability
from efficientfan.evaluation.landmarks.results import GroupScore, Results
from efficientfan.evaluation.landmarks.test_set import TestSet
from efficientfan.evaluation.tables import format_table, percent
from efficientfan.geometry import CropTransform
from efficientfan.imaging import read_rgb, warp, write_image
from efficientfan.metrics import ced
from efficientfan.plots import Panel, plot_curves, plot_landmark_values, plot_panels

__all__ = [
    "comparison_note",
    "plot_ced",
    "plot_error_face",
    "plot_reliability",
    "results_table",
    "write_worst_faces",
]

Array = NDArray[Any]

_TRUTH, _PREDICTED = (120, 230, 120), (255, 120, 60)


def results_table(results: Results) -> str:
    """The data set's own table of one run, with the settings that its numbers depend on."""
    data, settings = results.dataset, results.settings
    metrics = list(dict.fromkeys(name for score in results.groups.values() for name in score.metrics))
    rows = _rows(results.groups, metrics)
    rows += [[f"{row[0]}, mean shape", *row[1:]] for row in _rows(results.baseline, metrics)]
    lines = [
        f"{results.label} on {data['name']} {data['split']}, boxes: {_boxes(settings)}",
        f"percent [95 % interval]; fr and auc by nme_{settings['normalizer']}; missed faces fail, and have no NME",
        "",
        format_table(["subset", "faces", "missed", *metrics], rows),
    ]
    if results.occlusion:
        share, seen, covered = (
            100 * results.occlusion[key] for key in ("share", "nme_visible", "nme_occluded")
        )
        lines += [
            "",
            f"occluded landmarks: {share:.1f} %; error of visible ones {seen:.2f}, of occluded {covered:.2f}",
        ]
    if results.reliability is not None:
        lines += ["", _reliability(results.reliability, settings["normalizer"])]
    note = comparison_note(data)
    return "\n".join([*lines, "", note] if note else lines)


def comparison_note(data: Mapping[str, object]) -> str:
    """A warning where the faces are not all of the official split; empty otherwise."""
    official, faces = data.get("official"), data["faces"]
    if official is None or official == faces:
        return ""
    return f"NOT the complete split: {faces} of {official} faces; not comparable with published numbers"


def _reliability(found: Reliability, normalizer: str) -> str:
    limit = f"nme_{normalizer} > {100 * found.threshold:g} %"
    if (tenth := found.worst_tenth) is None:
        where = f"no failures ({limit})"
    else:
        where = f"the worst tenth holds {tenth.caught:g} of {tenth.failures} failures ({limit})"
    correlation = "-" if found.rank_correlation is None else f"{found.rank_correlation:.2f}"
    return f"sorted by score: {where}; rank correlation of score and error: {correlation}"


def _rows(groups: Mapping[str, GroupScore], metrics: Sequence[str]) -> list[list[str]]:
    return [
        [name, str(score.faces), str(score.missed)]
        + [percent(score.metrics.get(metric), interval=i == 0) for i, metric in enumerate(metrics)]
        for name, score in groups.items()
    ]


def _boxes(settings: Mapping[str, object]) -> str:
    parts = [str(settings.get("box", "as in the file"))]
    if settings.get("detector"):
        parts.append(f"({settings['detector']})")
    if settings.get("box_jitter"):
        parts.append(f"jittered by {settings['box_jitter']:g}")
    if settings.get("flip_test"):
        parts.append("+ flip test")
    if settings.get("roll"):
        parts.append(f"in photos rolled by {settings['roll']:g} degrees")
    return " ".join(parts)


def plot_ced(path: str | Path, runs: Mapping[str, Array], normalizer: str, *, limit: float = 0.10) -> None:
    """CED of runs given as label -> (N,) errors, up to `limit`; missed faces hold a curve below 100 %.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    x = np.linspace(0, limit, 501)
    plot_curves(
        path,
        100 * x,
        {label: 100 * ced(errors, x) for label, errors in runs.items()},
        x_label=f"nme_{normalizer} (%)",
        y_label="faces with at most this error (%)",
        title="Cumulative error distribution",
        y_limits=(0, 101),
    )


def plot_error_face(path: str | Path, results: Results, test_set: TestSet) -> None:
    """Per-landmark error on the mean face of the test set.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    errors = np.array([np.nan if e is None else 100 * e for e in results.landmarks])
    shape = fit_mean_shape(test_set.annotations, test_set.gt_boxes, complete=False)
    sides = test_set.gt_boxes[:, 2:] - test_set.gt_boxes[:, :2]
    plot_landmark_values(
        path,
        shape * sides.mean(axis=0),
        errors,
        test_set.schema.edges,
        value_label=f"nme_{results.settings['normalizer']} (%)",
        title=f"{results.label}: error per landmark",
    )


def plot_reliability(path: str | Path, reliability: Reliability, normalizer: str) -> None:
    """Left what landmarks of each score err by, right the NME as the faces of the lowest scores are left out.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    bins, kept = reliability.bins, reliability.kept
    landmarks = Panel(
        [each.score for each in bins],
        {
            "90th percentile": [100 * each.p90 for each in bins],
            "median": [100 * each.median for each in bins],
        },
        x_label="landmark score (mean of a bin)",
        y_label=f"landmark error by {normalizer} (%)",
        title="Landmarks, in bins of score",
    )
    faces = Panel(
        [100 * each.faces / reliability.faces for each in kept],
        {"kept faces": [100 * each.nme for each in kept]},
        x_label="faces kept, the surest first (%)",
        y_label=f"nme_{normalizer} (%)",
        title="Faces, without those of the lowest scores",
    )
    plot_panels(path, [landmarks, faces])


def write_worst_faces(
    path: str | Path, results: Results, test_set: TestSet, points: Array, *, count: int = 24, columns: int = 6
) -> None:
    """A sheet of the faces with the largest errors, the worst first: green truth, orange prediction.

    Args:
        path: an image file.
        results: of this test set.
        test_set: N faces.
        points: (N, K, 2) predicted image pixels, NaN where missed.
        count, columns: faces on the sheet, and in a row.
    """
    order = np.argsort(-results.errors, kind="stable")[:count]
    pictures, captions = [], []
    for index in order:
        annotation, error = test_set.annotations[index], results.errors[index]
        transform = CropTransform.from_box(annotation.tight_box, 256, margin=0.6)
        crop = warp(read_rgb(annotation.image), [transform])[0]
        _draw_residuals(crop, transform.apply(annotation.points), transform.apply(points[index]))
        pictures.append(crop)
        captions.append(("missed" if np.isinf(error) else f"{100 * error:.1f} %") + f" {annotation.name}")
    write_image(path, contact_sheet(pictures, columns, captions))


def _draw_residuals(canvas: Array, truth: Array, predicted: Array) -> None:
    for expected, found in zip(truth, predicted, strict=True):
        if not np.isfinite(expected).all():
            continue
        if np.isfinite(found).all():
            cv2.line(canvas, _fixed(expected), _fixed(found), _PREDICTED, 1, cv2.LINE_AA, 4)
            cv2.circle(canvas, _fixed(found), 24, _PREDICTED, -1, cv2.LINE_AA, 4)
        cv2.circle(canvas, _fixed(expected), 20, _TRUTH, -1, cv2.LINE_AA, 4)


def _fixed(point: Array) -> tuple[int, int]:
    """A point in OpenCV's sixteenths of a pixel, kept within its number range."""
    x, y = np.clip(point, -1e5, 1e5) * 16
    return round(float(x)), round(float(y))
