"""Comparison of runs on the same faces: one table, and paired bootstrap differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientfan.errors import InputError
from efficientfan.evaluation.landmarks.report import comparison_note
from efficientfan.evaluation.landmarks.results import Results
from efficientfan.evaluation.tables import format_table, percent
from efficientfan.metrics import Estimate, paired_difference, sample_values

__all__ = ["Comparison", "compare_runs", "comparison_table", "unique_labels"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Comparison:
    """One run compared with the first.

    Attributes:
        label: of the run.
        faces: how many both runs found (the NME's difference is over these).
        differences: metric -> run minus first, with its interval, as fractions; absent without common faces.
    """

    label: str
    faces: int
    differences: dict[str, Estimate]


def compare_runs(runs: Sequence[Results], *, seed: int = 0) -> list[Comparison]:
    """Paired bootstrap differences of each further run from the first.

    Raises:
        InputError: fewer than two runs, or runs on other faces, points or normalizers.
    """
    _check(runs)
    first, *others = runs
    return [
        _against(first, run, label, seed) for run, label in zip(others, unique_labels(runs)[1:], strict=True)
    ]


def unique_labels(runs: Sequence[Results]) -> list[str]:
    """The runs' labels; repeated ones are numbered."""
    labels = [run.label for run in runs]
    return [
        f"{label} ({labels[: i + 1].count(label)})" if labels.count(label) > 1 else label
        for i, label in enumerate(labels)
    ]


def comparison_table(runs: Sequence[Results], *, seed: int = 0) -> str:
    """The runs' metrics on the whole split, then the differences from the first run, as text."""
    comparisons = compare_runs(runs, seed=seed)
    data, normalizer, labels = runs[0].dataset, runs[0].settings["normalizer"], unique_labels(runs)
    scores = [list(run.groups.values())[-1] for run in runs]
    metrics = [name for name in scores[0].metrics if all(name in score.metrics for score in scores)]
    table = format_table(
        ["run", "box", "missed", *metrics],
        [
            [label, str(run.settings.get("box", "-")), str(score.missed)]
            + [percent(score.metrics[name], interval=i == 0) for i, name in enumerate(metrics)]
            for run, label, score in zip(runs, labels, scores, strict=True)
        ],
    )
    names = list(dict.fromkeys(name for comparison in comparisons for name in comparison.differences))
    differences = format_table(
        [f"minus {labels[0]}", "both found", *names],
        [
            [c.label, str(c.faces), *(percent(c.differences.get(name), interval=True) for name in names)]
            for c in comparisons
        ],
    )
    lines = [
        f"{data['name']} {data['split']}: {data['faces']} faces; percent, by {normalizer}",
        "",
        table,
        "",
        "paired differences [95 % interval]: significant if it excludes 0; negative is better for nme and fr",
        "",
        differences,
    ]
    note = comparison_note(data)
    return "\n".join([*lines, "", note] if note else lines)


def _against(first: Results, run: Results, label: str, seed: int) -> Comparison:
    before, after = first.errors, _aligned(run, first)
    both = np.isfinite(before) & np.isfinite(after)
    differences = {}
    if both.any():
        name = f"nme_{first.settings['normalizer']}"
        differences[name] = paired_difference(after[both], before[both], seed=seed)
    for name in list(first.groups.values())[-1].metrics:
        if name.startswith(("fr@", "auc@")):
            differences[name] = paired_difference(
                sample_values(name, after), sample_values(name, before), seed=seed
            )
    return Comparison(label, int(both.sum()), differences)


def _aligned(run: Results, first: Results) -> Array:
    """The run's errors in the order of the first run's samples."""
    errors = dict(zip(run.samples, run.errors, strict=True))
    return np.array([errors[name] for name in first.samples])


def _check(runs: Sequence[Results]) -> None:
    if len(runs) < 2:
        raise InputError("a comparison needs at least two results files")
    first, *others = runs
    for run in others:
        if run.dataset["digest"] != first.dataset["digest"] or set(run.samples) != set(first.samples):
            raise InputError(
                f"{run.label!r} was measured on other faces than {first.label!r} "
                f"({_data(run)} against {_data(first)}); evaluate both on the same split"
            )
        if run.settings["normalizer"] != first.settings["normalizer"]:
            raise InputError(
                f"{run.label!r} is normalized by {run.settings['normalizer']}, {first.label!r} by "
                f"{first.settings['normalizer']}; evaluate both with the same --normalizer"
            )


def _data(run: Results) -> str:
    data = run.dataset
    return f"{data['name']} {data['split']}, {data['faces']} faces, digest {str(data['digest'])[:8]}"
