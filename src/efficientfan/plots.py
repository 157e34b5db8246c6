"""Plots as files, drawn with matplotlib (extra `plots`), which is imported only when one is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from efficientfan.errors import MissingDependencyError, install_command
from efficientfan.files import atomic_path

__all__ = ["Panel", "plot_bars", "plot_curves", "plot_front", "plot_landmark_values", "plot_panels"]


def plot_curves(
    path: str | Path,
    x: ArrayLike,
    curves: Mapping[str, ArrayLike],
    *,
    x_label: str,
    y_label: str,
    title: str = "",
    y_limits: tuple[float, float] | None = None,
) -> None:
    """Write a line plot; the suffix chooses the format (`.png`, `.svg`, `.pdf`).

    Args:
        path: where to.
        x: (M,) values shared by all curves.
        curves: legend entry -> (M,) values.
        x_label, y_label, title: texts, with units.
        y_limits: range of the vertical axis; fitted by default.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    figure = _figure(6.4, 4.4)
    axes = figure.add_subplot()
    for label, values in curves.items():
        axes.plot(np.asarray(x), np.asarray(values), label=label, linewidth=1.6)
    axes.set(xlabel=x_label, ylabel=y_label, title=title)
    axes.margins(x=0)
    if y_limits is not None:
        axes.set_ylim(*y_limits)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    _save(figure, path)


@dataclass(frozen=True)
class Panel:
    """One of several plots beside each other: marked points joined by lines.

    Attributes:
        x: (M,) values shared by all curves.
        curves: legend entry -> (M,) values.
        x_label, y_label, title: texts, with units.
    """

    x: ArrayLike
    curves: Mapping[str, ArrayLike]
    x_label: str
    y_label: str
    title: str = ""


def plot_panels(path: str | Path, panels: Sequence[Panel]) -> None:
    """Write plots of measured points beside each other; all vertical axes begin at zero.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    figure = _figure(5.2 * len(panels), 4.2)
    for panel, axes in zip(panels, figure.subplots(1, len(panels), squeeze=False)[0], strict=True):
        for label, values in panel.curves.items():
            axes.plot(np.asarray(panel.x), np.asarray(values), label=label, linewidth=1.6, marker="o")
        axes.set(xlabel=panel.x_label, ylabel=panel.y_label, title=panel.title)
        axes.set_ylim(0, 1.1 * axes.get_ylim()[1])
        axes.grid(alpha=0.3)
        if len(panel.curves) > 1:
            axes.legend(frameon=False)
    _save(figure, path)


def plot_landmark_values(
    path: str | Path,
    points: ArrayLike,
    values: ArrayLike,
    edges: Sequence[tuple[int, int]],
    *,
    value_label: str,
    title: str = "",
) -> None:
    """Write a face whose landmarks are discs, larger and lighter with their value.

    Args:
        path: where to.
        points: (K, 2), any units, y down; a landmark with NaN is left out.
        values: (K,) not negative; a landmark with NaN is left out.
        edges: pairs of landmarks joined by a thin line.
        value_label: what the values are, with their unit.
        title: text above.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    positions, numbers = np.asarray(points, dtype=float), np.asarray(values, dtype=float)
    shown = np.isfinite(positions).all(axis=1) & np.isfinite(numbers)
    figure = _figure(6.4, 5.6)
    axes = figure.add_subplot()
    for first, second in edges:
        if shown[first] and shown[second]:
            axes.plot(*positions[[first, second]].T, color="0.8", linewidth=0.8, zorder=1)
    sizes = 20 + 380 * numbers[shown] / max(float(numbers[shown].max(initial=0.0)), 1e-12)
    discs = axes.scatter(*positions[shown].T, s=sizes, c=numbers[shown], cmap="viridis", alpha=0.85, zorder=2)
    for index in np.flatnonzero(shown):
        axes.annotate(str(index), positions[index], fontsize=6, ha="center", va="center", zorder=3)
    axes.set(aspect="equal", title=title)
    axes.margins(0.08)
    axes.invert_yaxis()
    axes.axis("off")
    figure.colorbar(discs, ax=axes, label=value_label, shrink=0.7)
    _save(figure, path)


def plot_bars(
    path: str | Path,
    bars: Mapping[str, float],
    *,
    marks: Mapping[str, float],
    x_label: str,
    title: str = "",
) -> None:
    """Write horizontal bars from top to bottom, each with its value (and its mark's) beside it.

    Args:
        path: where to.
        bars: label -> length, not negative.
        marks: label -> where on its bar's line a small mark stands; may lack labels.
        x_label, title: texts, with units.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    figure = _figure(8.0, 1.2 + 0.32 * max(len(bars), 3))
    axes = figure.add_subplot()
    places = np.arange(len(bars))
    axes.barh(places, list(bars.values()), height=0.6, color="tab:blue", alpha=0.8)
    for place, (label, length) in enumerate(bars.items()):
        end, text = length, f"{length:.2f}"
        if label in marks:
            axes.plot(marks[label], place, marker="|", color="black", markersize=9)
            end, text = max(length, marks[label]), f"{text} | {marks[label]:.2f}"
        axes.annotate(text, (end, place), (6, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set_yticks(places, list(bars), fontsize=8)
    axes.set(xlabel=x_label, title=title)
    axes.margins(x=0.2)
    axes.set_xlim(left=0)
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    _save(figure, path)


def plot_front(
    path: str | Path,
    points: Mapping[str, tuple[float, float]],
    front: Sequence[str],
    *,
    x_label: str,
    y_label: str,
    title: str = "",
) -> None:
    """Write numbered points, named below, of which those on the front are joined; x is logarithmic.

    Args:
        path: where to.
        points: label -> (x, y), x > 0.
        front: labels of the points to be joined, by rising x.
        x_label, y_label, title: texts, with units.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    figure = _figure(6.4, 4.4 + 0.2 * len(points))
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    axes = figure.add_subplot()
    steps = np.array([points[label] for label in front]).reshape(-1, 2)
    axes.plot(*steps.T, color="0.6", linewidth=1.2, zorder=1)
    for number, (label, (x, y)) in enumerate(points.items(), start=1):
        edge = "black" if label in front else "none"
        axes.scatter(x, y, s=44, edgecolors=edge, label=f"{number}  {label}", zorder=2)
        axes.annotate(str(number), (x, y), (5, 5), textcoords="offset points", fontsize=8)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set(xlabel=x_label, ylabel=y_label, title=title)
    axes.margins(0.15)
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower left", fontsize=8, frameon=False)
    _save(figure, path)


def _figure(width: float, height: float) -> Any:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError(
            f"plots need matplotlib; install it with: {install_command('plots')}"
        ) from error
    figure = Figure(figsize=(width, height), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Any, path: str | Path) -> None:
    with atomic_path(path) as temporary:
        figure.savefig(temporary)
