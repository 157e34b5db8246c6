"""Which threshold should a detector have? Measured on the photos that its recipe held out of training.

python benchmarks/detection/operating_point.py runs/facefinder/recipe.yaml facefinder.onnx --root DATA

For each threshold: recall at IoU 0.4 and false alarms per photo, of the detector by itself and of the whole predictor,
whose landmark scores drop most of the false alarms.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from efficientfan.data.scenes.catalog import SceneSet, load_scenes
from efficientfan.evaluation.detection.evaluate import PredictorAsDetector, score_detections, search_photos
from efficientfan.evaluation.detection.results import WHOLE
from efficientfan.predict import load
from efficientfan.predict.detectors import FaceDetector, open_detector
from efficientfan.recipes import load_recipe
from efficientfan.recipes.detection import DetectionRecipe
from efficientfan.train.landmarks import hold_out

THRESHOLDS = (0.28, 0.3, 0.32, 0.34, 0.36, 0.38, 0.4, 0.42, 0.44, 0.46, 0.5)
OVERLAP = 0.4


def held_out(recipe: DetectionRecipe, root: Path) -> SceneSet:
    """The photos that a run of the recipe validated on."""
    source = recipe.data.train[0]
    scenes = load_scenes(source.dataset, root / source.folder, source.split)
    _, held = hold_out(list(scenes.scenes), recipe.data.holdout.fraction, recipe.data.holdout.seed)
    return replace(scenes, scenes=held, groups=["held out"] * len(held), split=f"{source.split} (held out)")


def rates(detector: FaceDetector, scenes: SceneSet) -> list[str]:
    """Recall and false alarms per photo, in words."""
    results = score_detections(
        search_photos(detector, scenes), scenes, label="", subject={}, settings={}, overlaps=[OVERLAP]
    )
    found = results.groups[WHOLE].rates[f"{OVERLAP:g}"]
    recall = "none" if found.recall is None else f"{100 * found.recall.value:.1f} %"
    return [recall, f"{found.alarms_per_photo.value:.3f}"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe", type=Path, help="of the run that trained it")
    parser.add_argument("detector", help="its .onnx file")
    parser.add_argument("--root", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--model", default="default", help="landmark model of the predictor")
    arguments = parser.parse_args()
    recipe = load_recipe(str(arguments.recipe))
    if not isinstance(recipe, DetectionRecipe):
        parser.error(f"{arguments.recipe}: trains no detector")
    scenes = held_out(recipe, arguments.root)
    table = Table(
        "score >=", "recall", "false alarms", "recall, predictor", "false alarms, predictor",
        title=f"{len(scenes)} photos held out of training",
    )  # fmt: skip
    for threshold in THRESHOLDS:
        detector = open_detector(arguments.detector, min_score=threshold)
        whole = PredictorAsDetector(load(arguments.model, detector=detector))
        table.add_row(f"{threshold:g}", *rates(detector, scenes), *rates(whole, scenes))
    Console().print(table)


if __name__ == "__main__":
    main()
