"""Measures predicted points against the annotations of a test set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientfan.evaluation.landmarks.reliability import FAILURE, measure_reliability
from efficientfan.evaluation.landmarks.results import GroupScore, Results
from efficientfan.evaluation.landmarks.test_set import TestSet
from efficientfan.metrics import (
    MetricAccumulator,
    bootstrap_mean,
    failure_rate,
    per_landmark,
    per_region,
    sample_values,
)
from efficientfan.structures import OCCLUDED, VISIBLE

__all__ = ["DEFAULT_THRESHOLDS", "check_measures", "score_points"]

Array = NDArray[Any]

DEFAULT_THRESHOLDS = (FAILURE, 0.10)


def score_points(
    points: Array,
    test_set: TestSet,
    *,
    label: str,
    subject: Mapping[str, Any],
    settings: Mapping[str, Any],
    normalizers: Sequence[str] | None = None,
    thresholds: Sequence[float] = DEFAULT_THRESHOLDS,
    seed: int = 0,
    scores: Array | None = None,
    baseline: Array | None = None,
) -> Results:
    """Measure predicted points on a test set.

    Args:
        points: (N, K, 2) image pixels; NaN throughout for a missed face.
        test_set: N faces.
        label: what stands in tables for this run.
        subject: what was run (see `Results`).
        settings: how it was run (see `Results`).
        normalizers: the first is that of failure rate, AUC and breakdowns; the data set's own by default.
        thresholds: of failure rate and AUC, as fractions; the first is also that of the reliability.
        seed: of the bootstrap.
        scores: (N, K) of the landmarks, NaN where unknown; they add the reliability.
        baseline: (N, K, 2) points of a baseline to be shown beside.

    Raises:
        InputError: a degenerate normalizer or a face without labels (names it), or an unknown normalizer.
    """
    kinds = tuple(normalizers or [test_set.normalizer])
    metrics = [f"nme_{kind}" for kind in kinds]
    metrics += [f"{name}@{_short(threshold)}" for name in ("fr", "auc") for threshold in thresholds]
    measured = _measure(points, test_set, kinds)
    groups = {**test_set.groups, test_set.split: range(len(test_set.annotations))}
    reference = None if baseline is None else _measure(baseline, test_set, kinds)
    errors = measured.errors()
    return Results(
        label=label,
        subject=subject,
        dataset=test_set.to_dict(),
        settings={
            **settings,
            "normalizer": kinds[0],
            "normalizer_box": "supplied" if test_set.supplies_boxes else "gt",
            "seed": seed,
        },
        groups={name: _score(measured, metrics, rows, seed) for name, rows in groups.items()},
        baseline={name: _score(reference, metrics, rows, seed) for name, rows in groups.items()}
        if reference
        else {},
        reliability=None
        if scores is None
        else measure_reliability(scores, measured.landmark_errors(), errors, threshold=thresholds[0]),
        samples={name: _number(error) for name, error in zip(measured.names, errors, strict=True)},
        **_breakdowns(measured, np.stack([a.visibility for a in test_set.annotations])),
    )


def check_measures(
    test_set: TestSet,
    normalizers: Sequence[str] | None = None,
    thresholds: Sequence[float] = DEFAULT_THRESHOLDS,
) -> None:
    """Check normalizers and thresholds as `score_points` does, before a model is run.

    Raises:
        InputError: as `score_points`.
    """
    perfect = _measure(test_set.truth, test_set, tuple(normalizers or [test_set.normalizer])).errors()
    for threshold in thresholds:
        failure_rate(perfect, threshold)


def _measure(points: Array, test_set: TestSet, kinds: tuple[str, ...]) -> MetricAccumulator:
    accumulator = MetricAccumulator(test_set.schema, kinds)
    names = [annotation.name for annotation in test_set.annotations]
    accumulator.add(points, test_set.truth, names=names, boxes=test_set.normalizer_boxes)
    return accumulator


def _score(measured: MetricAccumulator, metrics: Sequence[str], rows: Sequence[int], seed: int) -> GroupScore:
    chosen = list(rows)
    estimates = {}
    for name in metrics:
        kind = name.removeprefix("nme_") if name.startswith("nme_") else None
        values = sample_values(name, measured.errors(kind)[chosen])
        if len(values):
            estimates[name] = bootstrap_mean(values, seed=seed)
    return GroupScore(len(chosen), int(np.isinf(measured.errors()[chosen]).sum()), estimates)


def _breakdowns(measured: MetricAccumulator, visibility: Array) -> dict[str, Any]:
    """Where on the face the error is, over found faces."""
    found = np.isfinite(measured.errors())
    errors = measured.landmark_errors()[found]
    if not found.any():
        return {}
    regions = per_region(errors, measured.schema.regions)
    return {
        "regions": {name: round(value, 6) for name, value in regions.items() if np.isfinite(value)},
        "landmarks": [_number(value) for value in per_landmark(errors)],
        "occlusion": _occlusion(errors, visibility[found]),
    }


def _occlusion(errors: Array, visibility: Array) -> dict[str, float]:
    labeled = ~np.isnan(errors)
    occluded, visible = labeled & (visibility == OCCLUDED), labeled & (visibility == VISIBLE)
    if not occluded.any() or not visible.any():
        return {}
    return {
        "share": round(float(occluded.sum() / labeled.sum()), 6),
        "nme_visible": round(float(errors[visible].mean()), 6),
        "nme_occluded": round(float(errors[occluded].mean()), 6),
    }


def _short(threshold: float) -> str:
    """At least two decimals: 0.1 is written 0.10."""
    return f"{threshold:.2f}" if round(threshold, 2) == threshold else f"{threshold:g}"


def _number(value: float) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None
