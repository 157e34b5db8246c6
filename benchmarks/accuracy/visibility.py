"""Precision and recall of a model's visibility head, on a data set whose flags say what is seen: `visibility.csv`.

`python benchmarks/accuracy/visibility.py --dataset aflw68 --root DATA/aflw68 --split heldout`
The held-out tenth of AFLW is what the default never saw; on training faces (`fit`) the figures are upper bounds.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from efficientfan.data.catalog import get_dataset, load_dataset
from efficientfan.data.visibility import UNKNOWN, visibility_labels
from efficientfan.geometry import CropTransform
from efficientfan.imaging import read_rgb, warp
from efficientfan.predict import load
from efficientfan.structures import VISIBILITY_CLASSES

sys.path.insert(0, str(Path(__file__).parents[1]))
from tables import add_rows, cell  # of the folder above


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--dataset", default="aflw68")
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--split", default="heldout")
    parser.add_argument("--model", default="default")
    parser.add_argument("--limit", type=int, default=2000, help="faces, a seeded choice")
    arguments = parser.parse_args()

    backend = load(arguments.model, detector="whole").backend
    meaning = get_dataset(arguments.dataset).visibility
    faces = load_dataset(arguments.dataset, arguments.root, arguments.split)
    chosen = np.random.default_rng(0).permutation(len(faces))[: arguments.limit]
    truth, found = [], []
    for face in (faces[index] for index in chosen):
        transform = CropTransform.from_box(face.tight_box, backend.spec.input_size, backend.spec.crop_margin)
        visibility = backend.run(warp(read_rgb(face.image), [transform])).visibility
        if visibility is None:
            raise SystemExit(f"{arguments.model}: has no visibility head")
        truth.append(visibility_labels(face.visibility, meaning))
        found.append(visibility[0].argmax(axis=1))
    labels, answers = np.concatenate(truth), np.concatenate(found)
    labels, answers = labels[labels != UNKNOWN], answers[labels != UNKNOWN]
    rows = []
    for index, name in enumerate(VISIBILITY_CLASSES):
        right = float(((labels == index) & (answers == index)).sum())
        precision = right / max(1, int((answers == index).sum()))
        recall = right / max(1, int((labels == index).sum()))
        rows.append(
            {
                "model": backend.spec.name,
                "dataset": arguments.dataset,
                "split": arguments.split,
                "faces": len(chosen),
                "class": name,
                "landmarks": int((labels == index).sum()),
                "precision": round(precision, 4),
                "recall": round(recall, 4),
            }
        )
        print(*map(cell, rows[-1].values()), sep="  ")
    add_rows(Path(__file__).with_suffix(".csv"), rows, ("model", "dataset", "split", "class"))


if __name__ == "__main__":
    main()
