"""From a recipe to its faces: data sets, hold-out, crops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from efficientfan.data.catalog import get_dataset, load_dataset
from efficientfan.data.dataset import CropSpec, FaceCrops
from efficientfan.data.visibility import VisibilityLabels
from efficientfan.errors import InputError
from efficientfan.recipes import Recipe
from efficientfan.recipes.config import Source
from efficientfan.schema import get_schema
from efficientfan.structures import Annotation, Scene

NamedT = TypeVar("NamedT", Annotation, Scene)

__all__ = ["Faces", "build_crops", "build_faces", "hold_out"]


@dataclass(frozen=True)
class Faces:
    """Training faces with a loss weight each, and validation faces that are not among them.

    `visibility` says of each training face what its flags mean, `validation_visibility` of all others; `mirror_offsets`
    how far its labels lean.
    """

    train: Sequence[Annotation]
    weights: NDArray[np.float64]
    visibility: Sequence[VisibilityLabels]
    mirror_offsets: Sequence[float]
    validation: Sequence[Annotation]
    validation_visibility: VisibilityLabels


def build_faces(recipe: Recipe) -> Faces:
    """Read the recipe's data sets and carve out the validation faces.

    Raises:
        InputError: no root was given, a split is missing or empty.
    """
    data = recipe.data
    if data.root is None:
        raise InputError(f"recipe {recipe.name!r} has no data.root; add --set data.root=FOLDER")
    sources = [_read(source, data.root, data.schema_name) for source in data.train]
    if data.validation is not None:
        validation = _read(data.validation, data.root, data.schema_name)
    elif data.holdout is not None:
        sources[0], validation = hold_out(sources[0], data.holdout.fraction, data.holdout.seed)
    train: list[Annotation] = []
    weights: list[float] = []
    visibility: list[VisibilityLabels] = []
    offsets: list[float] = []
    for source, faces in zip(data.train, sources, strict=True):
        train += faces * source.repeat
        weights += [source.weight] * (len(faces) * source.repeat)
        info = get_dataset(source.dataset)
        visibility += [info.visibility] * (len(faces) * source.repeat)
        offsets += [info.mirror_offset.mean if info.mirror_offset else 0.0] * (len(faces) * source.repeat)
    held = get_dataset((data.validation or data.train[0]).dataset).visibility
    return Faces(train, np.array(weights), visibility, offsets, validation, held)


def hold_out(faces: list[NamedT], fraction: float, seed: int) -> tuple[list[NamedT], list[NamedT]]:
    """Split faces or scenes in (rest, held out); the choice depends on the seed and the names, not on their order."""
    by_name = sorted(range(len(faces)), key=lambda index: faces[index].name)
    count = max(1, round(fraction * len(faces)))
    chosen = {by_name[i] for i in np.random.default_rng(seed).permutation(len(faces))[:count]}
    return [f for i, f in enumerate(faces) if i not in chosen], [
        f for i, f in enumerate(faces) if i in chosen
    ]


def _read(source: Source, root: Path, schema: str) -> list[Annotation]:
    faces = load_dataset(source.dataset, root / source.folder, source.split, schema=schema)
    # A crop needs a box: a face with fewer than two labelled landmarks cannot be trained on.
    usable = [face for face in faces if np.isfinite(face.points).all(axis=1).sum() >= 2]
    if not usable:
        raise InputError(
            f"data set {source.dataset!r}, split {source.split!r}: no usable face in {root / source.folder}"
        )
    return usable


def build_crops(recipe: Recipe, faces: Faces) -> tuple[FaceCrops, FaceCrops]:
    """Training crops as the recipe augments them, and plain validation crops."""
    schema = get_schema(recipe.data.schema_name)
    crop = CropSpec(recipe.model.input_size, recipe.model.margin)
    train = FaceCrops(
        faces.train,
        schema,
        crop,
        augmentation=recipe.augmentation,
        weights=faces.weights,
        seed=recipe.train.seed,
        boxes=recipe.data.boxes,
        visibility=faces.visibility,
        mirror_offsets=faces.mirror_offsets,
    )
    validation = FaceCrops(
        faces.validation,
        schema,
        crop,
        boxes=recipe.data.boxes,
        visibility=[faces.validation_visibility] * len(faces.validation),
    )
    return train, validation
