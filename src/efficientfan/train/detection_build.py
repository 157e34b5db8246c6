"""From a detection recipe to its parts: scenes, pictures, network, spec."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from efficientfan.data.catalog import DATASETS, load_dataset
from efficientfan.data.scenes.catalog import load_scenes
from efficientfan.data.scenes.dataset import ScenePictures
from efficientfan.errors import InputError
from efficientfan.models import FaceDetectorNet, build_detector_network, channels_last
from efficientfan.recipes.detection import DetectionRecipe, SceneSource
from efficientfan.spec import DetectorSpec
from efficientfan.structures import Annotation, BoxTrust, Scene
from efficientfan.train.build import provenance
from efficientfan.train.faces import hold_out
from efficientfan.version import __version__

__all__ = ["build_detector", "build_pictures", "build_scenes"]


def build_detector(recipe: DetectionRecipe) -> tuple[FaceDetectorNet, DetectorSpec]:
    """The network to be trained, and the spec that will travel with its weights.

    Raises:
        InputError: an unknown network.
    """
    model = recipe.model
    network = channels_last(build_detector_network(model.network, init=model.init, **model.options))
    used = " + ".join(f"{source.dataset} {source.split}" for source in recipe.data.train)
    spec = DetectorSpec(
        name=recipe.name,
        network={"name": model.network, **model.options},
        stride=network.stride,
        multiple=network.multiple,
        long_sides=tuple(model.long_sides),
        score_threshold=model.score_threshold,
        licence="Weights carry the terms of their training data: research only.",
        training_data=used,
        provenance={"recipe": provenance(recipe)},
        code_version=__version__,
    )
    return network, spec


def build_scenes(recipe: DetectionRecipe) -> tuple[list[Scene], list[Scene]]:
    """The recipe's training scenes, as often as it repeats them, and its validation scenes.

    Raises:
        InputError: no root was given, a split is missing or empty.
    """
    data = recipe.data
    if data.root is None:
        raise InputError(f"recipe {recipe.name!r} has no data.root; add --set data.root=FOLDER")
    sources = [_read(source, data.root) for source in data.train]
    sources[0], validation = hold_out(sources[0], data.holdout.fraction, data.holdout.seed)
    train = [
        scene for source, scenes in zip(data.train, sources, strict=True) for scene in scenes * source.repeat
    ]
    return train, validation


def build_pictures(recipe: DetectionRecipe, network: FaceDetectorNet) -> tuple[ScenePictures, ScenePictures]:
    """Training mosaics, and validation scenes as they are."""
    train, validation = build_scenes(recipe)
    size, keep = recipe.model.input_size, recipe.data.keep
    mosaics = ScenePictures(
        train, size, network.stride, augmentation=recipe.augmentation, seed=recipe.train.seed, keep=keep
    )
    return mosaics, ScenePictures(validation, size, network.stride)


def _read(source: SceneSource, root: Path) -> list[Scene]:
    folder = root / source.folder
    if source.dataset in DATASETS:
        faces = load_dataset(source.dataset, folder, source.split)
        return [scene for scene in map(_scene_of, faces) if scene is not None]
    return list(load_scenes(source.dataset, folder, source.split).scenes)


def _scene_of(face: Annotation) -> Scene | None:
    """One annotated face as a scene of its own; None where its landmarks span no box."""
    try:
        box = face.tight_box[None]
        return Scene(face.image, box, np.array([BoxTrust.LABELLED]), face.attributes, face.name)
    except InputError:
        return None
