"""Does distillation help? The page docs/distillation.md and its picture, from what `run.py` measured."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

from tables import markdown, read_rows

from efficientfan.files import read_text
from efficientfan.plots import plot_bars

__all__ = ["distillation_page", "draw_distillation"]

HERE = Path(__file__).parent
FAMILIES = {
    "mobilefan": (
        "MobileFAN",
        {"": "alone", "fa": "FA", "fs": "FS", "fa_fs": "FA + FS", "cwd": "CWD, heatmaps"},
    ),
    "efficientfan": (
        "EfficientFAN",
        {"": "alone", "fa": "FA", "ps": "PS", "fa_ps": "FA + PS", "cwd": "CWD, heatmaps"},
    ),
}


@dataclass(frozen=True)
class Student:
    """One student in one way of training: percent, a value per seed, in the order of the seeds."""

    family: str
    terms: str
    scale: float
    validation: list[float]
    common: list[float]


def read_results() -> tuple[list[Student], dict[str, float]]:
    """The students, and the teacher's own figures as fractions.

    Raises:
        ValueError: students of another teacher than the one in the file.
    """
    runs = defaultdict(list)
    teacher: dict[str, str] = {}
    for row in read_rows(HERE / "results.csv"):
        if row["recipe"] == "teacher":
            teacher = row
        else:
            family, _, terms = row["recipe"].partition("_")
            runs[family, terms, float(row["scale"])].append(row)
    for row in (row for group in runs.values() for row in group):
        if row["teacher"] not in ("", teacher["teacher"]):
            raise ValueError(
                f"results.csv: {row['recipe']} had another teacher; delete the row, run run.py again"
            )
    students = [
        Student(*key, *([100 * float(row[name]) for row in group] for name in ("val_nme", "common_nme")))
        for key, group in sorted(runs.items())
    ]
    return students, {name: float(teacher[name]) for name in ("val_nme", "common_nme")}


def spread(values: list[float]) -> str:
    """Mean and standard deviation over the seeds."""
    return f"{mean(values):.2f} ± {stdev(values):.2f}" if len(values) > 1 else f"{values[0]:.2f}"


def chosen_rows(rows: list[Student], family: str) -> list[Student]:
    """Of each set of terms the scale with the best validation NME, in the order of `FAMILIES`."""
    best = {}
    for row in sorted(rows, key=lambda row: -mean(row.validation)):
        if row.family == family and len(row.validation) == max(
            len(other.validation) for other in rows if (other.family, other.terms) == (family, row.terms)
        ):
            best[row.terms] = row
    return [best[terms] for terms in FAMILIES[family][1] if terms in best]


def table(rows: list[Student], family: str, teacher: float) -> list[str]:
    """One family: test NME beside validation NME, and how much of the way to the teacher each term goes."""
    title, names = FAMILIES[family]
    chosen = chosen_rows(rows, family)
    alone = next((mean(row.common) for row in chosen if not row.terms), None)
    cells = []
    for row in chosen:
        weights = way = ""
        if row.terms:
            weights = f"x {row.scale:g}"
            if alone is not None and alone > teacher:
                way = f"{100 * (alone - mean(row.common)) / (alone - teacher):.0f} %"
        cells.append(
            [
                names[row.terms],
                weights,
                str(len(row.common)),
                spread(row.validation),
                spread(row.common),
                way,
            ]
        )
    header = [
        "trained",
        "weights",
        "seeds",
        "validation NME",
        "300-W common NME",
        "of the way to the teacher",
    ]
    lines = [f"## {title}", "", *markdown(header, cells)]
    others = [row for row in rows if row.family == family and row not in chosen]
    if others:
        tried = "; ".join(
            f"{names[row.terms]} x {row.scale:g}: {spread(row.validation)} ({len(row.validation)})"
            for row in sorted(others, key=lambda row: (row.terms, row.scale))
        )
        lines += ["", f"Other weights, validation NME (seeds): {tried}."]
    return [*lines, ""]


def distillation_page() -> str:
    """The whole of docs/distillation.md."""
    rows, teacher = read_results()
    nme = 100 * teacher["common_nme"]
    lines = [
        read_text(HERE / "head.md").rstrip(),
        "",
        f"Teacher: {100 * teacher['val_nme']:.2f} on validation, {nme:.2f} on common.",
        "",
    ]
    for family in FAMILIES:
        if any(row.family == family for row in rows):
            lines += table(rows, family, nme)
    return "\n".join(lines) + "\n"


def draw_distillation(path: Path) -> None:
    """The NME of each student."""
    rows, _ = read_results()
    shown = {
        f"{FAMILIES[family][0]} {FAMILIES[family][1][row.terms]}": row
        for family in FAMILIES
        for row in chosen_rows(rows, family)
    }
    plot_bars(
        path,
        {label: mean(row.common) for label, row in shown.items()},
        marks={label: mean(row.validation) for label, row in shown.items()},
        x_label="NME, percent: 300-W common | validation",
        title="64 pixels, mean over seeds",
    )
