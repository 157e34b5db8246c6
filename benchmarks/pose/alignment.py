"""How far eyes land from their places in aligned crops, over 300-W common (or another data set of 68 points).

`python benchmarks/pose/alignment.py --root DATA/300w` writes alignment.csv.

Each face is aligned by the landmarks that a model finds in the tight box of the annotated points. The middles of its
annotated eyes then lie somewhere in the crop. This is compared with where they lie if the face is aligned by the
annotation (`own`: the error of the landmarks alone), and with the places of the template (`template`, which also holds
how much a face differs from it: eyes that are close together, a head that is turned). Distances are shares of the
distance of the annotated outer corners of the eyes in the crop.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

import efficientfan
from efficientfan.align import ARCFACE, align_transform
from efficientfan.imaging import read_rgb
from efficientfan.schema import convert_points, get_schema
from efficientfan.structures import Face

sys.path.insert(0, str(Path(__file__).parents[1]))
from tables import add_rows, cell  # of the folder above

IBUG = get_schema("ibug68")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="of the data set")
    parser.add_argument("--dataset", default="300w")
    parser.add_argument("--split", default="common")
    parser.add_argument("--model", default="default")
    arguments = parser.parse_args()

    predictor = efficientfan.load(arguments.model, detector="whole", threads=1)
    faces = efficientfan.load_dataset(arguments.dataset, arguments.root, arguments.split)
    own, places = [], []
    for annotation in faces:
        (found,) = predictor(read_rgb(annotation.image), boxes=[annotation.tight_box])
        truth = Face(annotation.tight_box, annotation.points, np.ones(68), IBUG)
        by_model, by_hand = align_transform(found), align_transform(truth)
        eyes = convert_points(annotation.points, IBUG, "five")[:2]
        corners = by_model.apply(annotation.points[[36, 45]])
        unit = np.linalg.norm(corners[1] - corners[0])
        landed = by_model.apply(eyes)
        own.append(np.linalg.norm(landed - by_hand.apply(eyes), axis=1).mean() / unit)
        places.append(np.linalg.norm(landed - np.array(ARCFACE)[:2], axis=1).mean() / unit)
    print(f"{len(faces)} faces, model {predictor.spec.name}, template arcface; % of the interocular distance")
    rows = []
    for label, values in (("own", own), ("template", places)):
        middle, most = np.percentile(values, [50, 95])
        rows.append(
            {
                **{"model": predictor.spec.name, "dataset": arguments.dataset, "split": arguments.split},
                **{"from": label, "faces": len(values), "mean": float(np.mean(values))},
                **{"median": float(middle), "p95": float(most)},
                "within_0.03": float((np.array(values) <= 0.03).mean()),
            }
        )
        print(" ".join(cell(value) for value in rows[-1].values()))
    add_rows(Path(__file__).with_name("alignment.csv"), rows, ("model", "dataset", "split", "from"))


if __name__ == "__main__":
    main()
