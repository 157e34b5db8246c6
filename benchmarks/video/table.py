"""Tracking beside other trackers, as Markdown."""

from __future__ import annotations

from pathlib import Path

from tables import markdown, read_rows

__all__ = ["tracking"]


def tracking() -> list[str]:
    """IDF1 in percent and, in parentheses, id switches: a row for each kind of scene, a column for each tracker."""
    rows = read_rows(Path(__file__).with_name("tracking.csv"))
    trackers = list(dict.fromkeys(row["tracker"] for row in rows))
    cells: dict[str, list[str]] = {}
    for row in rows:
        label = f"{row['scenes']} ({row['videos']})"
        cells.setdefault(label, []).append(f"{100 * float(row['IDF1']):.1f} ({row['switches']})")
    return markdown(["scenes (videos)", *trackers], [[label, *values] for label, values in cells.items()])
