"""Which threshold should a detector have? Its curve on the photos that its recipe held out of training.

python benchmarks/detection/operating_point.py runs/facefinder/recipe.yaml facefinder.onnx --root DATA
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from efficientfan.data.scenes.catalog import load_scenes
from efficientfan.evaluation.detection.evaluate import score_detections, search_photos
from efficientfan.evaluation.detection.report import detection_table
from efficientfan.predict.detectors import open_detector
from efficientfan.recipes import load_recipe
from efficientfan.recipes.detection import DetectionRecipe
from efficientfan.train.landmarks import hold_out

LOWEST = 0.05
"""Detections that score less do not matter."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe", type=Path, help="of the run that trained it")
    parser.add_argument("detector", help="its .onnx file")
    parser.add_argument("--root", type=Path, required=True, help="folder of the data sets")
    arguments = parser.parse_args()
    recipe = load_recipe(str(arguments.recipe))
    if not isinstance(recipe, DetectionRecipe):
        parser.error(f"{arguments.recipe}: trains no detector")
    source = recipe.data.train[0]
    scenes = load_scenes(source.dataset, arguments.root / source.folder, source.split)
    _, held = hold_out(list(scenes.scenes), recipe.data.holdout.fraction, recipe.data.holdout.seed)
    held_out = replace(
        scenes, scenes=held, groups=["held out"] * len(held), split=f"{source.split} (held out)"
    )
    detector = open_detector(arguments.detector, min_score=LOWEST)
    results = score_detections(
        search_photos(detector, held_out),
        held_out,
        label=Path(arguments.detector).stem,
        subject={"kind": "detector", "name": detector.name},
        settings={"min_score": LOWEST, "overlaps": ["0.4"]},
        overlaps=[0.4],
    )
    print(detection_table(results))


if __name__ == "__main__":
    main()
