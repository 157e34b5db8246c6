"""From a recipe of either task to what the loop needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from efficientfan.models import channels_last
from efficientfan.recipes import AnyRecipe
from efficientfan.recipes.detection import DetectionRecipe
from efficientfan.train.build import build_objective, build_spec, build_student
from efficientfan.train.data_module import Samples
from efficientfan.train.detection_build import build_detector, build_pictures
from efficientfan.train.detection_module import DetectionModule
from efficientfan.train.faces import build_crops, build_faces
from efficientfan.train.module import LandmarkModule
from efficientfan.train.run_module import RunModule

__all__ = ["Parts", "build_parts"]


@dataclass(frozen=True)
class Parts:
    """What is trained, and a function that reads what it is trained on: (training, validation) samples.

    Faults of a recipe are found by building the first, before the second reads the data sets.
    """

    module: RunModule
    read_samples: Callable[[], tuple[Samples, Samples]]


def build_parts(recipe: AnyRecipe) -> Parts:
    """The parts of a run.

    Raises:
        InputError: the recipe asks for what there is not.
    """
    if isinstance(recipe, DetectionRecipe):
        detector, spec = build_detector(recipe)
        module = DetectionModule(detector, spec, recipe.objective, recipe.train)
        return Parts(module, lambda: build_pictures(recipe, detector))
    network = channels_last(build_student(recipe))
    landmark_spec = build_spec(recipe, network)
    objective = build_objective(recipe, network, landmark_spec)
    return Parts(
        LandmarkModule(network, objective, landmark_spec, recipe.train),
        lambda: build_crops(recipe, build_faces(recipe)),
    )
