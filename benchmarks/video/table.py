"""Tracking beside other trackers, steadiness beside MediaPipe, and what following a clip costs, as Markdown."""

from __future__ import annotations

from pathlib import Path

from tables import markdown, measured, read_rows

__all__ = ["clips", "steadiness", "tracking"]

HERE = Path(__file__).parent
MODES = {"image": "each frame for itself", "video": "video mode"}


def tracking() -> list[str]:
    """IDF1 in percent and, in parentheses, id switches: a row for each kind of scene, a column for each tracker."""
    rows = read_rows(HERE / "tracking.csv")
    trackers = list(dict.fromkeys(row["tracker"] for row in rows))
    cells: dict[str, list[str]] = {}
    for row in rows:
        label = f"{row['scenes']} ({row['videos']})"
        cells.setdefault(label, []).append(f"{100 * float(row['IDF1']):.1f} ({row['switches']})")
    return markdown(["scenes (videos)", *trackers], [[label, *values] for label, values in cells.items()])


def steadiness() -> list[str]:
    """Jitter, lag and error of each tool on each video, raw and smoothed."""
    rows = read_rows(HERE / "steadiness.csv")
    raw = {(row["video"], row["tool"]): row for row in reversed(rows)}  # the first of each
    lines = []
    for row in rows:
        mode = MODES.get(row["smoothing"], row["smoothing"])
        tool = row["tool"] if row["tool"] != "efficientfan" else "default model"
        jitter, whole = row["jitter"], raw[row["video"], row["tool"]]["jitter"]
        lines.append(
            [
                f"{row['video'].replace('_', ' ')}, {row['frames']} frames",
                f"{tool}, {mode}",
                f"{100 * float(jitter):.2f}" if jitter else "",
                f"{float(jitter) / float(whole):.2f}"
                if jitter and row is not raw[row["video"], row["tool"]]
                else "",
                f"{float(row['lag']):.1f}".replace("-0.0", "0.0") if row["lag"] else "",
                f"{100 * float(row['error']):.1f}" if row["error"] else "",
            ]
        )
    return markdown(["video", "", "jitter, %", "of raw", "lag, frames", "error, %"], lines)


def clips() -> list[str]:
    """How fast the faces of clips are followed, and how well, a row for each clip and model."""
    return measured(
        [
            "clip",
            "model",
            "frames",
            "with a face",
            "ids",
            "frames/s",
            "memory, MB: first tenth",
            "last tenth",
        ],
        [
            [
                row["clip"].replace("_", " "),
                row["model"],
                f"{int(row['frames']):,}",
                f"{100 * float(row['found']):.1f} %",
                row["ids"],
                *(f"{float(row[name]):.0f}" for name in ("per_second", "rss_mb_early", "rss_mb_late")),
            ]
            for row in read_rows(HERE / "clips.csv")
        ],
    )
