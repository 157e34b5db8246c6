"""How should turned copies of a photo be searched? Recall and false alarms on rolled photos held out of training.

python benchmarks/detection/turned.py runs/facefinder/recipe.yaml facefinder.onnx --root DATA

For the constants of `predict/detectors/__init__.py`. The last column is the share of upright photos whose turned copies
are searched, too.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import numpy as np
from operating_point import held_out
from rich.console import Console
from rich.table import Table

from efficientfan.imaging import roll_photo
from efficientfan.metrics.detection import FALSE_ALARM, match_detections
from efficientfan.predict.detectors import FaceFinder, TurnedSearch
from efficientfan.recipes import load_recipe
from efficientfan.recipes.detection import DetectionRecipe
from efficientfan.structures import BoxTrust

ROLLS = (0, 30, 45, 60, 90, 120, 135, 180)
ENOUGH = (0.5, 0.55, 0.6)
MIN_SCORES = (0.4, 0.45, 0.5)
LONG_SIDES = (320, 480)
OVERLAP = 0.4


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe", type=Path, help="of the run that trained it")
    parser.add_argument("detector", type=Path, help="its .onnx file")
    parser.add_argument("--root", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--limit", type=int, default=50, help="photos")
    arguments = parser.parse_args()
    recipe = load_recipe(str(arguments.recipe))
    if not isinstance(recipe, DetectionRecipe):
        parser.error(f"{arguments.recipe}: trains no detector")
    scenes = held_out(recipe, arguments.root).spread(arguments.limit)
    finder = FaceFinder(arguments.detector, threads=1)
    table = Table("enough", "score >=", "long side", *(f"{roll} degrees" for roll in ROLLS), "searched")
    for enough, min_score, side in itertools.product(ENOUGH, MIN_SCORES, LONG_SIDES):
        search = TurnedSearch(finder, enough=enough, min_score=min_score, long_side=side)
        cells = []
        for roll in ROLLS:
            found, alarms, faces = 0, 0, 0
            for index, scene in enumerate(scenes.scenes):
                photo, transform = roll_photo(scenes.read(index), roll)
                seen = search.detect(photo)
                answers = match_detections(
                    seen.boxes,
                    seen.scores,
                    transform.apply_to_boxes(scene.boxes),
                    scene.trust,
                    iou=OVERLAP,
                )
                wanted = np.flatnonzero(scene.trust == BoxTrust.LABELED)
                found += int(np.isin(wanted, answers).sum())
                faces += len(wanted)
                alarms += int((answers == FALSE_ALARM).sum())
            cells.append(f"{100 * found / faces:.0f} %, {alarms / len(scenes):.2f}")
        unsure = [
            finder.detect(scenes.read(index)).scores.max(initial=0) < enough for index in range(len(scenes))
        ]
        table.add_row(f"{enough:g}", f"{min_score:g}", f"{side}", *cells, f"{100 * np.mean(unsure):.0f} %")
    Console().print(table)


if __name__ == "__main__":
    main()
