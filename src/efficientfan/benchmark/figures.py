"""The pictures of a benchmark: milliseconds by candidate, and the front of error against milliseconds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from efficientfan.benchmark.report import Report
from efficientfan.plots import plot_bars, plot_front

__all__ = ["front", "plot_error_against_time", "plot_latencies"]


def front(points: Mapping[str, tuple[float, float]]) -> list[str]:
    """Names of the points (x, y) that no other beats in both, from the smallest x on.

    >>> front({"slow": (3.0, 1.0), "fast": (1.0, 2.0), "beaten": (3.5, 1.5)})
    ['fast', 'slow']
    """
    kept: list[str] = []
    for name, (_, y) in sorted(points.items(), key=lambda item: item[1]):
        if not kept or y < points[kept[-1]][1]:
            kept.append(name)
    return kept


def plot_latencies(path: str | Path, report: Report) -> None:
    """Median time of one face by candidate, with a mark at the 95th percentile.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    plot_bars(
        path,
        {each.label: each.median_ms for each in report.candidates},
        marks={each.label: each.p95_ms for each in report.candidates},
        x_label="ms per face, batch 1: median | 95th percentile",
        title=report.machine.processor,
    )


def plot_error_against_time(path: str | Path, report: Report) -> bool:
    """Error against time of one face at the smallest number of threads, peers included; the front is joined.

    Returns:
        Whether anything was drawn: a candidate without a known error has no place.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    fewest = min((each.threads for each in report.candidates if each.threads), default=None)
    points = {
        each.label: (each.median_ms, 100 * each.nme)
        for each in report.candidates
        if each.nme is not None and each.threads in (fewest, None)
    }
    if not points:
        return False
    plot_front(
        path,
        points,
        front(points),
        x_label="ms per face, batch 1, median",
        y_label=f"{report.accuracy} (%)",
        title=report.machine.processor,
    )
    return True
