"""What face detectors find, as Markdown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tables import markdown, read_rows

__all__ = ["detectors"]

HERE = Path(__file__).parent
DETECTORS = ("facefinder", "yunet", "haar")
Cells = dict[str, str]


def detectors() -> list[str]:
    """Recall at IoU 0.4 and false alarms per photo of each detector, on each set of photos."""
    found = {
        (row["label"], row["dataset"], row["split"], row["group"]): row
        for row in read_rows(HERE / "results.csv")
    }

    def line(
        text: str, show: Callable[[Cells], str], dataset: str, split: str, group: str = "all"
    ) -> list[str]:
        rows = [found[label, dataset, split, group] for label in DETECTORS]
        return [text.format(faces=f"{int(rows[0]['faces']):,}"), *map(show, rows)]

    framed = ("aflw68_framed", "heldout")
    return markdown(
        ["", *DETECTORS],
        [
            line("300-W test, {faces} faces at 384 px: recall", recall, "scenes", "test"),
            line("the same: false alarms per photo", alarms, "scenes", "test"),
            line("held-out AFLW in a frame, frontal ({faces}): recall", recall, *framed, "frontal"),
            line("held-out AFLW in a frame, half profile ({faces}): recall", recall, *framed, "half_profile"),
            line("held-out AFLW in a frame, profile ({faces}): recall", recall, *framed, "profile"),
            line("the same, all poses ({faces})", recall, *framed),
            line("the same: false alarms per photo", alarms, *framed),
            line(
                "WIDER FACE crowds, {faces} faces (facefinder was trained on them): recall",
                recall,
                "scenes",
                "crowds",
            ),
            line("the same: false alarms per photo", alarms, "scenes", "crowds"),
            line("80 drawn pictures without a face: false alarms per picture", alarms, "noise", "test"),
        ],
    )


def recall(row: Cells) -> str:
    """In percent, with its interval."""
    value, low, high = (
        100 * float(row[name]) for name in ("recall@0.4", "recall_low@0.4", "recall_high@0.4")
    )
    return f"{value:.1f} % [{low:.1f}, {high:.1f}]"


def alarms(row: Cells) -> str:
    """Per photo."""
    return f"{float(row['alarms@0.4']):.3f}"
