"""The plots of a detector's evaluation. They need matplotlib (extra `plots`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from efficientfan.evaluation.detection_results import DetectionResults
from efficientfan.evaluation.detection_tables import size_range
from efficientfan.plots import plot_bars, plot_curves

__all__ = ["plot_recall_by_size", "plot_recall_over_alarms"]

_UNITS = {"pixels": "pixels", "share": "of the photo"}


def plot_recall_over_alarms(
    path: str | Path, runs: Mapping[str, DetectionResults], *, limit: float = 0.5
) -> None:
    """Recall against false alarms a photo, up to `limit`, of runs given as label -> results.

    A curve is flat from the point where the detector has nothing more to say. Runs without faces are left out.

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
        x_label="false alarms a photo",
        y_label="faces found (%)",
        title="Recall as the threshold falls",
        y_limits=(0, 101),
    )


def plot_recall_by_size(path: str | Path, results: DetectionResults) -> None:
    """Recall by size of face: a bar at the first overlap, a mark at the last, for each bin that holds faces.

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
