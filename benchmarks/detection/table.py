"""Detectors side by side: a Markdown table from results files of `efficientfan evaluate-detector`.

`python benchmarks/detection/table.py benchmarks/detection/results/*.json`
Make the files with, for each detector and set:
`efficientfan evaluate-detector --dataset scenes --root ../shared/data/scenes --split test --detector NAME`
(likewise `--split crowds`, `--dataset aflw68_framed --root ../shared/data/aflw68 --split heldout`, `--dataset noise`),
with `--out DIR`, and keep `DIR/results.json`; its `curves` and `samples` are emptied in the files kept here.
"""

from __future__ import annotations

import argparse
from itertools import groupby
from pathlib import Path

from efficientfan.evaluation.detection.results import DetectionResults, GroupRates
from efficientfan.evaluation.tables import percent


def row(name: str, group: GroupRates) -> str:
    loose, strict = group.rates["0.4"], group.rates["0.5"]
    cells = [
        name,
        percent(loose.recall, interval=True),
        percent(strict.recall),
        "-" if strict.average_precision is None else f"{100 * strict.average_precision:.2f}",
        f"{loose.alarms_per_photo.value:.3f}",
        f"{loose.strays / group.photos:.3f}",
    ]
    return f"| {' | '.join(cells)} |"


def section(runs: list[DetectionResults]) -> list[str]:
    """One table: runs on the same photos, group by group."""
    data = runs[0].dataset
    lines = [
        f"**{data['name']} {data['split']}**, {data['photos']} photos",
        "",
        "| | recall at IoU 0.4 | at 0.5 | AP at 0.5 | false alarms a photo | on no annotated box |",
        "|---|---|---|---|---|---|",
    ]
    for name in runs[0].groups:
        faces = runs[0].groups[name].faces
        lines += [row(f"{name} ({faces} faces): {run.label}", run.groups[name]) for run in runs]
    return [*lines, ""]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, nargs="+")
    runs = [DetectionResults.load(path) for path in parser.parse_args().results]

    def photos(run: DetectionResults) -> tuple[str, str, str]:
        return run.dataset["name"], run.dataset["split"], run.dataset["digest"]

    for _, same in groupby(sorted(runs, key=photos), key=photos):
        print("\n".join(section(list(same))))


if __name__ == "__main__":
    main()
