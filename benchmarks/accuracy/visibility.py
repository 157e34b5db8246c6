"""Precision and recall of a model's visibility head, per class, on a data set whose flags say what is seen.

`python benchmarks/accuracy/visibility.py --dataset aflw68 --root DATA/aflw68 --split heldout`
The held-out tenth of AFLW is what the default never saw; on training faces (`fit`) the figures are upper bounds.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from efficientfan.data.catalog import get_dataset, load_dataset
from efficientfan.data.visibility import UNKNOWN, visibility_labels
from efficientfan.files import write_json
from efficientfan.geometry import CropTransform
from efficientfan.imaging import read_rgb, warp
from efficientfan.predict import load
from efficientfan.structures import VISIBILITY_CLASSES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--dataset", default="aflw68")
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--split", default="heldout")
    parser.add_argument("--model", default="default")
    parser.add_argument("--limit", type=int, default=2000, help="faces, a seeded choice")
    parser.add_argument("--out", type=Path, help="results as JSON")
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
    rows = {}
    for index, name in enumerate(VISIBILITY_CLASSES):
        right = float(((labels == index) & (answers == index)).sum())
        precision = right / max(1, int((answers == index).sum()))
        recall = right / max(1, int((labels == index).sum()))
        rows[name] = {
            "landmarks": int((labels == index).sum()),
            "precision": round(precision, 4),
            "recall": round(recall, 4),
        }
        print(f"{name:<12} {rows[name]}")
    if arguments.out is not None:
        settings = {"model": backend.spec.name, "dataset": arguments.dataset, "split": arguments.split}
        write_json(arguments.out, {**settings, "faces": len(chosen), "classes": rows})


if __name__ == "__main__":
    main()
