"""Head pose, openness and alignment against what is known, as Markdown."""

from __future__ import annotations

from pathlib import Path

from tables import markdown, read_rows

__all__ = ["alignment", "head_pose", "openness"]

HERE = Path(__file__).parent
KINDS = {
    "ibug68": "68 landmarks, noise {:.0f} %",
    "five": "5 points, noise {:.0f} %",
    "pictures": "pictures, landmarks of the default model",
}


def head_pose() -> list[str]:
    """Mean errors in degrees, by noise of the landmarks, and in rendered pictures by yaw."""
    lines = []
    rows = read_rows(HERE / "rotations.csv")
    for row in sorted(rows, key=lambda row: list(KINDS).index(row["kind"])):
        if row["kind"] != "pictures":
            label = KINDS[row["kind"]].format(100 * float(row["case"]))
        else:
            label = (
                KINDS["pictures"]
                if row["case"] == "all"
                else f"of these, yaw {row['case'].replace('-', ' to ')}"
            )
        values = [f"{float(row[name]):.1f}" for name in ("yaw", "pitch", "roll")]
        lines.append([label, f"{int(row['faces']):,}", *values])
    lines.sort(key=lambda line: line[0].startswith("of these"))
    return markdown(["", "faces", "yaw", "pitch", "roll"], lines)


def openness() -> list[str]:
    """Mean change of the openness of a head that turns, with the turn undone and without."""
    lines = [
        [
            f"{row['part']}, yaw {row['yaw'].replace('-', ' to ')}",
            f"{100 * float(row['undone']):.1f} %",
            f"{100 * float(row['raw']):.1f} %",
        ]
        for row in read_rows(HERE / "openness.csv")
    ]
    return markdown(["", "turn undone", "plain ratio"], lines)


def alignment() -> list[str]:
    """How far eyes land from their places, in percent of the interocular distance."""
    names = {"own": "where the annotation puts them", "template": "the template's places"}
    lines = []
    for row in read_rows(HERE / "alignment.csv"):
        values = [f"{100 * float(row[name]):.2f} %" for name in ("mean", "median", "p95")]
        lines.append([names[row["from"]], *values, f"{100 * float(row['within_0.03']):.1f} %"])
    return markdown(["distance from", "mean", "median", "95th percentile", "faces within 3 %"], lines)
