"""Add results files of `efficientfan evaluate` and `efficientfan evaluate-detector` to the CSV files of this folder.

    python benchmarks/collect.py runs/*/results.json

Rows go to `accuracy/results.csv` or `detection/results.csv`; a row of the same run, data and settings is replaced.
Errors of single faces are kept where a figure is drawn from them: `accuracy/errors.csv`, in percent, 300-W common in
ground-truth boxes. `python benchmarks/pages.py` then writes the pages.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from tables import add_rows, read_rows, write_rows

from efficientfan.evaluation import DetectionResults, GroupScore, Results
from efficientfan.evaluation.detection.report import size_range
from efficientfan.evaluation.detection.results import FORMAT as DETECTION
from efficientfan.files import read_json

HERE = Path(__file__).parent
DIGITS = 12
"""Of a digest: enough to tell files and data sets apart."""

RUN = ("label", "kind", "file", "sha256")
FACES = (
    "dataset",
    "split",
    "digest",
    "label",
    "box",
    "detector",
    "box_jitter",
    "flip_test",
    "normalizer",
    "group",
)
PHOTOS = ("dataset", "split", "digest", "label", "min_score", "group")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, nargs="+", metavar="results.json")
    for path in parser.parse_args().results:
        if read_json(path).get("format") == DETECTION:
            add_detection(DetectionResults.load(path))
        else:
            add_accuracy(Results.load(path))


def add_accuracy(results: Results) -> None:
    """A row for each group of faces, and for the mean shape's where it was measured."""
    data, settings = results.dataset, results.settings
    where = {
        "dataset": data["name"],
        "split": data["split"],
        "digest": data["digest"][:DIGITS],
        "box": settings["box"],
        "detector": settings.get("detector"),
        "box_jitter": settings.get("box_jitter") or None,
        "flip_test": bool(settings.get("flip_test")),
        "normalizer": settings["normalizer"],
    }
    engine = {"backend": settings.get("backend"), "precision": settings.get("precision")}
    reliability = results.reliability
    tenth = reliability.worst_tenth if reliability else None
    scores = {
        "failures": tenth.failures if tenth else None,
        "failures_in_worst_tenth": tenth.caught if tenth else None,
        "rank_correlation": reliability.rank_correlation if reliability else None,
    }
    rows = []
    for name, score in results.groups.items():
        whole = name == data["split"]
        rows.append(
            {
                **_run(results.label, results.subject),
                **where,
                "group": name,
                "official": data.get("official") if whole else None,
                **engine,
                **_measures(score, settings["normalizer"]),
                **(scores if whole else dict.fromkeys(scores)),
            }
        )
    for name, score in results.baseline.items():
        rows.append(
            {
                **dict.fromkeys(RUN),
                "label": "mean shape",
                "kind": "baseline",
                **where,
                "group": name,
                "official": data.get("official") if name == data["split"] else None,
                **dict.fromkeys(engine),
                **_measures(score, settings["normalizer"]),
                **dict.fromkeys(scores),
            }
        )
    add_rows(HERE / "accuracy" / "results.csv", rows, FACES)
    plain = where["box"] == "gt" and not where["box_jitter"] and not where["flip_test"]
    if plain and (where["dataset"], where["split"]) == ("300w", "common"):
        _add_errors(HERE / "accuracy" / "errors.csv", results)


def _run(label: str, subject: Any) -> dict[str, object]:
    return {
        "label": label,
        "kind": subject["kind"],
        "file": subject.get("file"),
        "sha256": subject.get("sha256", "")[:DIGITS],
    }


def _measures(score: GroupScore, normalizer: str) -> dict[str, object]:
    nme = score.metrics.get(f"nme_{normalizer}")
    return {
        "faces": score.faces,
        "missed": score.missed,
        "nme": nme and nme.value,
        "nme_low": nme and nme.low,
        "nme_high": nme and nme.high,
        **{
            name: score.metrics[name].value if name in score.metrics else None
            for name in ("fr@0.08", "fr@0.10", "auc@0.08", "auc@0.10")
        },
    }


def _add_errors(path: Path, results: Results) -> None:
    """A column for the run: percent by face, empty where the face was missed."""
    rows = {row["face"]: row for row in read_rows(path)} or {name: {"face": name} for name in results.samples}
    errors = dict(zip(results.samples, results.errors, strict=True))
    for name, row in rows.items():
        error = errors.get(name, np.inf)
        row[results.label] = f"{100 * error:.3f}" if np.isfinite(error) else ""
    write_rows(path, list(rows.values()))


def add_detection(results: DetectionResults) -> None:
    """A row for each group of photos, and for each range of face sizes."""
    data, settings = results.dataset, results.settings
    rows = []
    common = {
        **_run(results.label, results.subject),
        "dataset": data["name"],
        "split": data["split"],
        "digest": data["digest"][:DIGITS],
        "min_score": settings["min_score"],
    }
    for name, group in results.groups.items():
        row = {**common, "group": name, "photos": group.photos, "faces": group.faces}
        for overlap, rates in group.rates.items():
            recall, alarms = rates.recall, rates.alarms_per_photo
            row |= {
                f"found@{overlap}": rates.found,
                f"recall@{overlap}": recall and recall.value,
                f"recall_low@{overlap}": recall and recall.low,
                f"recall_high@{overlap}": recall and recall.high,
                f"alarms@{overlap}": alarms.value,
                f"alarms_low@{overlap}": alarms.low,
                f"alarms_high@{overlap}": alarms.high,
                f"on_no_face@{overlap}": rates.strays / group.photos,
                f"ap@{overlap}": rates.average_precision,
            }
        rows.append(row)
    for size in results.sizes:
        unit = "pixels" if size.unit == "pixels" else "of the photo"
        row = dict.fromkeys(rows[0]) | common | {"group": f"{size_range(size)} {unit}", "faces": size.faces}
        for overlap, recall in size.recall.items():
            row[f"recall@{overlap}"] = recall.value
            row[f"recall_low@{overlap}"], row[f"recall_high@{overlap}"] = recall.low, recall.high
        rows.append(row)
    add_rows(HERE / "detection" / "results.csv", rows, PHOTOS)


if __name__ == "__main__":
    main()
