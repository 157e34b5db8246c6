"""From photos to predicted points and their scores: crops from given boxes, or the whole line with a detector."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from efficientfan.errors import InputError
from efficientfan.evaluation.located import Located
from efficientfan.evaluation.matching import Candidate, match_faces
from efficientfan.geometry import CropTransform
from efficientfan.imaging import read_rgb, warp
from efficientfan.predict import BackendOutput
from efficientfan.schema import LandmarkSchema, convert_points, convert_scores
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
) -> Located:
    """What a network says of N faces, from one crop per given box.

    Args:
        run: the network on crops.
        spec: its crop size, margin and schema.
        annotations: N faces; only their photos are looked at, each read once.
        boxes: (N, 4) xyxy, one a face.
        schema: of the annotations, where the model's points are to be converted to it.
        flip_test: average with points and scores of the mirrored crop.
        batch_size: crops in one call of `run`.
        progress: told the number of faces done since the last call.

    Raises:
        InputError: a photo that cannot be read, a batch size below one, or no conversion to `schema`.
    """
    if batch_size < 1:
        raise InputError(f"batch size must be at least 1, not {batch_size}")
    target = schema or spec.schema
    located = Located.nowhere(len(annotations), target.n_landmarks)
    indices: list[int] = []
    transforms: list[CropTransform] = []
    crops: list[Array] = []

    def flush() -> None:
        found = _run(run, spec.schema, np.concatenate(crops), flip_test=flip_test)
        for index, transform, points, scores in zip(indices, transforms, *found, strict=True):
            located.points[index] = convert_points(transform.inverse(points), spec.schema, target)
            located.scores[index] = convert_scores(scores, spec.schema, target)
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
    return located


def points_from_detector(
    find: FaceFinder,
    annotations: Sequence[Annotation],
    schema: LandmarkSchema,
    *,
    progress: Callable[[int], None] = lambda done: None,
) -> Located:
    """What a predictor says of the N faces, which it has to find itself.

    Args:
        find: photos to faces.
        annotations: N faces; the truth is used only to choose which found face answers which (`match_faces`).
        schema: of the annotations; the found points are converted to it.
        progress: told the number of faces done since the last call.
    """
    located = Located.nowhere(len(annotations), schema.n_landmarks)
    photos = list(_by_photo(annotations))
    for start in range(0, len(photos), _PHOTOS_AT_ONCE):
        batch = photos[start : start + _PHOTOS_AT_ONCE]
        for (_, members), faces in zip(batch, find([read_rgb(path) for path, _ in batch]), strict=True):
            candidates = [_candidate(face, schema) for face in faces]
            for index, match in zip(
                members, match_faces(candidates, [annotations[i].points for i in members]), strict=True
            ):
                if match is not None:
                    located.points[index], located.scores[index] = match.points, match.scores
            progress(len(members))
    return located


def _candidate(face: Face, schema: LandmarkSchema) -> Candidate:
    points = convert_points(face.points, face.schema, schema)
    return Candidate(points, face.box, convert_scores(face.scores, face.schema, schema))


def _run(run: CropRunner, schema: LandmarkSchema, crops: Array, *, flip_test: bool) -> tuple[Array, Array]:
    """Points (N, K, 2) in crop pixels and scores (N, K)."""
    found = run(crops)
    points, scores = (np.asarray(each, dtype=np.float64) for each in (found.points, found.scores))
    if flip_test:
        mirrored = run(np.ascontiguousarray(crops[:, :, ::-1]))
        points = (points + schema.flip(mirrored.points, width=crops.shape[2])) / 2
        scores = (scores + mirrored.scores[:, schema.flip_indices]) / 2
    return points, scores


def _by_photo(annotations: Sequence[Annotation]) -> Iterator[tuple[Path, list[int]]]:
    photos: dict[Path, list[int]] = {}
    for index, annotation in enumerate(annotations):
        photos.setdefault(annotation.image, []).append(index)
    yield from photos.items()
