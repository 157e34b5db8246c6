"""What face detectors find, as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tables import markdown, read_rows

__all__ = ["detectors", "predicted"]

HERE = Path(__file__).parent
DETECTORS = ("facefinder", "yunet", "haar")
PREDICTED = ("facefinder", "yunet")
WIDE = "0.3"
"""The overlap where a mask hides where the face ends."""

ROLLED = ("scenes_rolled", "test")
Cells = dict[str, str]
Line = Callable[..., list[str]]


def detectors() -> list[str]:
    """Recall and false alarms per photo of each detector, on each set of photos, at its own threshold."""
    line = lines_of(DETECTORS)
    test, masks, lfw, crowds = (
        ("scenes", split) for split in ("test", "masks_heldout", "lfw_heldout", "crowds")
    )
    framed = ("aflw68_framed", "heldout")
    return markdown(
        ["", *DETECTORS],
        [
            line("300-W test, {faces} faces at 384 px: recall", recall, *test),
            line("the same: false alarms per photo", alarms, *test),
            *turned(line),
            line(
                "faces behind masks in the street, {faces} in 111 photos: recall",
                recall,
                *masks,
                overlap=WIDE,
            ),
            line("the same: false alarms per photo", alarms, *masks, overlap=WIDE),
            line("LFW, {faces} faces that YuNet proposed: agreement with it", recall, *lfw),
            line("the same: false alarms per photo", alarms, *lfw),
            line("held-out AFLW in a frame, frontal ({faces}): recall", recall, *framed, group="frontal"),
            line(
                "held-out AFLW in a frame, half profile ({faces}): recall",
                recall,
                *framed,
                group="half_profile",
            ),
            line("held-out AFLW in a frame, profile ({faces}): recall", recall, *framed, group="profile"),
            line("the same, all poses: false alarms per photo", alarms, *framed),
            line(
                "WIDER FACE crowds, {faces} faces (facefinder was trained on them): recall", recall, *crowds
            ),
            line("the same: false alarms per photo", alarms, *crowds),
            line("80 drawn pictures without a face: false alarms per picture", alarms, "noise", "test"),
        ],
    )


def predicted() -> list[str]:
    """The same of what `predict` shows: of the detectors' faces those whose landmarks are sure."""
    line = lines_of(tuple(f"{detector}+efficientfan_lite0_192" for detector in PREDICTED))
    test, masks, crowds = (("scenes", split) for split in ("test", "masks_heldout", "crowds"))
    return markdown(
        ["`predict`", *PREDICTED],
        [
            line("300-W test: recall", recall, *test),
            line("the same: false faces per photo", alarms, *test),
            *turned(line),
            line("the same, all turns: false faces per photo", alarms, *ROLLED),
            line("faces behind masks in the street: recall", recall, *masks, overlap=WIDE),
            line("the same: false faces per photo", alarms, *masks, overlap=WIDE),
            line("WIDER FACE crowds: recall", recall, *crowds),
            line("the same: false faces per photo", alarms, *crowds),
            line("80 drawn pictures without a face: false faces per picture", alarms, "noise", "test"),
        ],
    )


def turned(line: Line) -> list[list[str]]:
    """Lines of the test photos that are turned."""
    return [
        line(f"the same, turned by {roll} degrees: recall", recall, *ROLLED, group=f"{roll:03d} degrees")
        for roll in (45, 60, 90, 135, 180)
    ]


def lines_of(labels: Sequence[str]) -> Line:
    """Writes a line of a table that has a column for each label."""
    found = {
        (row["label"], row["dataset"], row["split"], row["group"]): row
        for row in read_rows(HERE / "results.csv")
    }

    def line(
        text: str, show: Callable[[Cells, str], str], *where: str, group: str = "all", overlap: str = "0.4"
    ) -> list[str]:
        rows = [found.get((label, *where, group)) for label in labels]
        faces = next(int(row["faces"]) for row in rows if row is not None)
        # Not all is measured: the cascades are not turned.
        shown = ["" if row is None else show(row, overlap) for row in rows]
        return [text.format(faces=f"{faces:,}"), *shown]

    return line


def recall(row: Cells, overlap: str) -> str:
    """In percent, with its interval."""
    value, low, high = (
        100 * float(row[f"{name}@{overlap}"]) for name in ("recall", "recall_low", "recall_high")
    )
    return f"{value:.1f} % [{low:.1f}, {high:.1f}]"


def alarms(row: Cells, overlap: str) -> str:
    """Per photo."""
    return f"{float(row[f'alarms@{overlap}']):.3f}"
