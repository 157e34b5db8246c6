"""Results of a face detector as text tables and plots. Recall and precision are printed as percent."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from efficientfan.evaluation.detection.results import Allowance, DetectionResults, SizeRates
from efficientfan.evaluation.tables import format_table, percent
from efficientfan.plots import plot_bars, plot_curves

__all__ = [
    "detection_table",
    "plot_recall_by_size",
    "plot_recall_over_alarms",
    "size_range",
]

_HEADINGS = {"pixels": "face size, pixels", "share": "face size, share of photo"}


def detection_table(results: DetectionResults) -> str:
    """What was found, by group of photos and by size of face, and the thresholds for given false alarms."""
    data, overlaps = results.dataset, results.settings["overlaps"]
    parts = [
        f"{results.label} on {data['name']} {data['split']}: {data['photos']} photos, {data['faces']} faces to "
        f"be found; {data['unchecked']} unchecked and {data['ignored']} ignored boxes count for nothing\n"
        "percent [95 % interval]; false alarms per photo, those on no annotated box; AP: area under precision "
        "over recall"
    ]
    for overlap in overlaps:
        parts.append(_groups(results, overlap))
    for unit, heading in _HEADINGS.items():
        rows = [row for row in results.sizes if row.unit == unit]
        if rows:
            parts.append(
                format_table(
                    [heading, "faces", *(f"recall@{overlap}" for overlap in overlaps)],
                    [
                        [size_range(row), str(row.faces)]
                        + [percent(row.recall[overlap], interval=True) for overlap in overlaps]
                        for row in rows
                    ],
                )
            )
    if results.allowances:
        parts.append(
            format_table(
                ["at most alarms/photo", "overlap", "min score", "recall", "alarms/photo"],
                [_allowance(row) for row in results.allowances],
            )
        )
    return "\n\n".join(parts)


def _groups(results: DetectionResults, overlap: str) -> str:
    rows = []
    for name, group in results.groups.items():
        rates = group.rates[overlap]
        alarms, precision = rates.alarms_per_photo, rates.average_precision
        rows.append(
            [
                name,
                str(group.photos),
                str(group.faces),
                percent(rates.recall, interval=True),
                f"{alarms.value:.3f} [{alarms.low:.3f}, {alarms.high:.3f}]",
                f"{rates.strays / group.photos:.3f}",
                "-" if precision is None else f"{100 * precision:.2f}",
            ]
        )
    header = ["group", "photos", "faces", f"recall@{overlap}", "alarms/photo", "on no face", f"AP@{overlap}"]
    return format_table(header, rows)


def size_range(row: SizeRates) -> str:
    """A bin as text; shares are written as fractions of the photo's longer side.

    >>> size_range(SizeRates("share", 1 / 16, 1 / 8, 3, {}))
    '1/16 to 1/8'
    """

    def text(value: float) -> str:
        return f"1/{round(1 / value)}" if row.unit == "share" and value else f"{value:g}"

    if row.high is None:
        return f"from {text(row.low)}"
    return f"{text(row.low)} to {text(row.high)}" if row.low else f"below {text(row.high)}"


def _allowance(row: Allowance) -> list[str]:
    head = [f"{row.alarms_per_photo:g}", row.overlap]
    if row.point is None:
        return [*head, "-", "-", "-"]
    point = row.point
    return [*head, f"{point.min_score:.4g}", f"{100 * point.recall:.2f}", f"{point.alarms_per_photo:.4f}"]


_UNITS = {"pixels": "pixels", "share": "of the photo"}


def plot_recall_over_alarms(
    path: str | Path, runs: Mapping[str, DetectionResults], *, limit: float = 0.5
) -> None:
    """Recall against false alarms per photo, up to `limit`, of runs given as label -> results.

    A curve stays flat after the detector's lowest score. Runs without faces are left out.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    x = np.linspace(0, limit, 501)
    lines = {}
    for label, results in runs.items():
        for overlap, curve in results.curves.items():
            # The lowest threshold with at most x alarms; before the first, nothing is found.
            last = np.searchsorted(curve.alarms_per_photo, x, side="right")
            lines[f"{label}, IoU {overlap}"] = 100 * np.append(0.0, curve.recall)[last]
    plot_curves(
        path,
        x,
        lines,
        x_label="false alarms per photo",
        y_label="faces found (%)",
        title="Recall as the threshold falls",
        y_limits=(0, 101),
    )


def plot_recall_by_size(path: str | Path, results: DetectionResults) -> None:
    """Recall by size of face: a bar at the first overlap, a mark at the last, for each bin with faces.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    overlaps = results.settings["overlaps"]
    labels = [f"{size_range(row)} {_UNITS[row.unit]} (n = {row.faces})" for row in results.sizes]
    bars, marks = (
        {label: 100 * row.recall[overlap].value for label, row in zip(labels, results.sizes, strict=True)}
        for overlap in (overlaps[0], overlaps[-1])
    )
    plot_bars(
        path,
        bars,
        marks=marks,
        x_label=f"faces found (%): bar at IoU {overlaps[0]}, mark at IoU {overlaps[-1]}",
        title=f"{results.label}: recall by size of face",
    )
