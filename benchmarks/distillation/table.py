"""Write docs/distillation.md and its picture from the results of `run.py`.

python benchmarks/distillation/table.py            # writes
python benchmarks/distillation/table.py --check    # exit code 1 if the page is not up to date
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

from efficientfan.files import read_json, write_text
from efficientfan.plots import plot_bars

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs"
PAGE, PICTURE = DOCS / "distillation.md", DOCS / "figures" / "distillation.png"
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
class Row:
    """One student in one way of training: percent, a value per seed, in the order of the seeds."""

    family: str
    terms: str
    scale: float
    validation: list[float]
    common: list[float]


def read_rows(folder: Path, teacher: str) -> list[Row]:
    """Every recipe and scale that was measured, all under the teacher of this digest."""
    runs = defaultdict(list)
    for path in sorted(folder.glob("*_seed*.json")):
        run = read_json(path)
        if run["teacher"] not in (None, teacher):
            sys.exit(f"{path} is of another teacher than teacher.json; delete it and run run.py again")
        family, _, terms = run["recipe"].partition("_")
        runs[family, terms, run["scale"]].append(run)
    return [
        Row(*key, *([100 * run[name] for run in group] for name in ("val_nme", "common_nme")))
        for key, group in runs.items()
    ]


def spread(values: list[float]) -> str:
    """Mean and standard deviation over the seeds."""
    return f"{mean(values):.2f} ± {stdev(values):.2f}" if len(values) > 1 else f"{values[0]:.2f}"


def chosen_rows(rows: list[Row], family: str) -> list[Row]:
    """Of each set of terms the scale with the best validation NME, in the order of `FAMILIES`."""
    best = {}
    for row in sorted(rows, key=lambda row: -mean(row.validation)):
        if row.family == family and len(row.validation) == max(
            len(other.validation) for other in rows if (other.family, other.terms) == (family, row.terms)
        ):
            best[row.terms] = row
    return [best[terms] for terms in FAMILIES[family][1] if terms in best]


def table(rows: list[Row], family: str, teacher: float) -> list[str]:
    """One family: test NME beside validation NME, and how much of the way to the teacher each term goes."""
    title, names = FAMILIES[family]
    chosen = chosen_rows(rows, family)
    alone = next((mean(row.common) for row in chosen if not row.terms), None)
    lines = [
        f"## {title}",
        "",
        "| trained | weights | seeds | validation NME | 300-W common NME | of the way to the teacher |",
        "|---|---|---|---|---|---|",
    ]
    for row in chosen:
        weights = way = ""
        if row.terms:
            weights = f"x {row.scale:g}"
            if alone is not None and alone > teacher:
                way = f"{100 * (alone - mean(row.common)) / (alone - teacher):.0f} %"
        lines.append(
            f"| {names[row.terms]} | {weights} | {len(row.common)} | {spread(row.validation)} | "
            f"{spread(row.common)} | {way} |"
        )
    others = [row for row in rows if row.family == family and row not in chosen]
    if others:
        tried = "; ".join(
            f"{names[row.terms]} x {row.scale:g}: {spread(row.validation)} ({len(row.validation)})"
            for row in sorted(others, key=lambda row: (row.terms, row.scale))
        )
        lines += ["", f"Other weights, validation NME (seeds): {tried}."]
    return [*lines, ""]


def page(rows: list[Row], teacher: dict[str, float], head: str) -> str:
    """The whole page."""
    nme = 100 * teacher["common_nme"]
    lines = [
        head.rstrip(),
        "",
        f"Teacher: {100 * teacher['val_nme']:.2f} on validation, {nme:.2f} on common.",
        "",
    ]
    for family in FAMILIES:
        if any(row.family == family for row in rows):
            lines += table(rows, family, nme)
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    teacher = read_json(HERE / "results" / "teacher.json")
    rows = read_rows(HERE / "results", teacher["teacher"])
    text = page(rows, teacher, (HERE / "head.md").read_text())
    if check:
        sys.exit(
            0 if PAGE.is_file() and PAGE.read_text() == text else f"{PAGE} is not up to date; run table.py"
        )
    write_text(PAGE, text)
    shown = {
        f"{FAMILIES[family][0]} {FAMILIES[family][1][row.terms]}": row
        for family in FAMILIES
        for row in chosen_rows(rows, family)
    }
    plot_bars(
        PICTURE,
        {label: mean(row.common) for label, row in shown.items()},
        marks={label: mean(row.validation) for label, row in shown.items()},
        x_label="NME, percent: 300-W common | validation",
        title="64 pixels, mean over seeds",
    )


if __name__ == "__main__":
    main()
