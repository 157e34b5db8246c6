"""From photos to predicted points: crops from given boxes, or the whole line with a detector."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from efficientfan.errors import InputError
from efficientfan.evaluation.matching import Candidate, match_faces
from efficientfan.geometry import CropTransform
from efficientfan.imaging import read_rgb, warp
from efficientfan.predict import BackendOutput
from efficientfan.schema import LandmarkSchema, convert_points
from efficientfan.spec import ModelSpec
from efficientfan.structures import Annotation, Face

__all__ = ["CropRunner", "FaceFinder", "points_from_boxes", "points_from_detector"]

Array = NDArray[Any]

CropRunner: TypeAlias = Callable[[Array], BackendOutput]
"""(N, S, S, 3) uint8 RGB crops to what they hold: a `Backend.run`."""

_PHOTOS_AT_ONCE = 8
"""Whole photos can be large; their faces are batched by the predictor."""


class FaceFinder(Protocol):
    """What finds and aligns the faces of photos by itself, such as a `LandmarkPredictor`."""

    def __call__(self, image: list[Array], /) -> list[list[Face]]:
        """The faces of each of a list of H x W x 3 uint8 RGB photos."""


def points_from_boxes(
    run: CropRunner,
    spec: ModelSpec,
    annotations: Sequence[Annotation],
    boxes: Array,
    *,
    schema: LandmarkSchema | None = None,
    flip_test: bool = False,
    batch_size: int = 32,
    progress: Callable[[int], None] = lambda done: None,
) -> Array:
    """Predicted points (N, K, 2) in image pixels, from one crop per given box.

    Args:
        run: the network on crops.
        spec: its crop size, margin and schema.
        annotations: N faces; only their photos are looked at, each read once.
        boxes: (N, 4) xyxy, one a face.
        schema: of the annotations, where the model's points are to be converted to it.
        flip_test: average with the points of the mirrored crop.
        batch_size: crops in one call of `run`.
        progress: told the number of faces done since the last call.

    Raises:
        InputError: a photo that cannot be read, a batch size below one, or no conversion to `schema`.
    """
    if batch_size < 1:
        raise InputError(f"batch size must be at least 1, not {batch_size}")
    target = schema or spec.schema
    points = np.full((len(annotations), target.n_landmarks, 2), np.nan)
    indices: list[int] = []
    transforms: list[CropTransform] = []
    crops: list[Array] = []

    def flush() -> None:
        found = _run(run, spec.schema, np.concatenate(crops), flip_test=flip_test)
        for index, transform, face in zip(indices, transforms, found, strict=True):
            points[index] = convert_points(transform.inverse(face), spec.schema, target)
        progress(len(indices))
        for batch in (indices, transforms, crops):
            batch.clear()

    for path, members in _by_photo(annotations):
        image = read_rgb(path)
        for index in members:
            transform = CropTransform.from_box(boxes[index], spec.input_size, spec.crop_margin)
            indices.append(index)
            transforms.append(transform)
            crops.append(warp(image, [transform]))
            if len(indices) == batch_size:
                flush()
    if indices:
        flush()
    return points


def points_from_detector(
    find: FaceFinder,
    annotations: Sequence[Annotation],
    schema: LandmarkSchema,
    *,
    progress: Callable[[int], None] = lambda done: None,
) -> Array:
    """Points (N, K, 2) in image pixels of the faces that a predictor finds itself; NaN where it misses one.

    Args:
        find: photos to faces.
        annotations: N faces; the truth is used only to choose which found face answers which (`match_faces`).
        schema: of the annotations; the found points are converted to it.
        progress: told the number of faces done since the last call.
    """
    points = np.full((len(annotations), schema.n_landmarks, 2), np.nan)
    photos = list(_by_photo(annotations))
    for start in range(0, len(photos), _PHOTOS_AT_ONCE):
        batch = photos[start : start + _PHOTOS_AT_ONCE]
        for (_, members), faces in zip(batch, find([read_rgb(path) for path, _ in batch]), strict=True):
            candidates = [
                Candidate(convert_points(face.points, face.schema, schema), face.box) for face in faces
            ]
            for index, match in zip(
                members, match_faces(candidates, [annotations[i].points for i in members]), strict=True
            ):
                if match is not None:
                    points[index] = match.points
            progress(len(members))
    return points


def _run(run: CropRunner, schema: LandmarkSchema, crops: Array, *, flip_test: bool) -> Array:
    points = np.asarray(run(crops).points, dtype=np.float64)
    if flip_test:
        mirrored = run(np.ascontiguousarray(crops[:, :, ::-1])).points
        points = (points + schema.flip(mirrored, width=crops.shape[2])) / 2
    return points


def _by_photo(annotations: Sequence[Annotation]) -> Iterator[tuple[Path, list[int]]]:
    photos: dict[Path, list[int]] = {}
    for index, annotation in enumerate(annotations):
        photos.setdefault(annotation.image, []).append(index)
    yield from photos.items()
