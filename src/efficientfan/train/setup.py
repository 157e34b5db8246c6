"""From a recipe of either task to what the loop needs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from efficientfan.data.catalog import get_dataset
from efficientfan.models import channels_last
from efficientfan.recipes import AnyRecipe
from efficientfan.recipes.detection import DetectionRecipe
from efficientfan.train.data_module import Samples
from efficientfan.train.detection import DetectionModule, build_detector, build_pictures
from efficientfan.train.detection_teacher import load_detector_teacher
from efficientfan.train.landmarks import (
    LandmarkModule,
    build_crops,
    build_faces,
    build_spec,
    build_student,
    supplied_boxes,
)
from efficientfan.train.module import RunModule
from efficientfan.train.objective import build_objective

__all__ = ["TrainingSetup", "set_up_training"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingSetup:
    """What is trained, and a function that reads what it is trained on: (training, validation) samples.

    Faults of a recipe are found by building the first, before the second reads the data sets.
    """

    module: RunModule
    read_samples: Callable[[], tuple[Samples, Samples]]


def set_up_training(recipe: AnyRecipe) -> TrainingSetup:
    """What a run of the recipe needs.

    Raises:
        InputError: the recipe asks for what there is not.
    """
    if isinstance(recipe, DetectionRecipe):
        detector, spec = build_detector(recipe)
        path = recipe.model.teacher
        teacher = None if path is None else load_detector_teacher(path, detector)
        module = DetectionModule(detector, spec, recipe.objective, recipe.train, teacher)
        return TrainingSetup(module, lambda: build_pictures(recipe, detector))
    network = channels_last(build_student(recipe))
    landmark_spec = build_spec(recipe, network)
    objective = build_objective(recipe, network, landmark_spec)
    landmarks = LandmarkModule(network, objective, landmark_spec, recipe.train)

    def read_crops() -> tuple[Samples, Samples]:
        faces = build_faces(recipe)
        crops = build_crops(recipe, faces, objective.crop_sides)
        if recipe.data.boxes == "supplied":
            landmarks.spec = replace(landmarks.spec, crop_box=supplied_boxes(faces.train))
        elif any(get_dataset(source.dataset).schema is None for source in recipe.data.train):
            logger.info(
                "crops are cut around the tight boxes of the points (data.boxes: tight); a detector's boxes may give "
                "other figures: compare them with `efficientfan data check ... --detector`"
            )
        return crops

    return TrainingSetup(landmarks, read_crops)
