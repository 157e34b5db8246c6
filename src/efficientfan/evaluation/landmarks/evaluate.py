"""Running a model over a test set: on crops from given boxes, or with its own detector; and the mean-shape baseline."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from efficientfan.data.catalog import get_dataset, load_dataset
from efficientfan.errors import InputError
from efficientfan.evaluation.landmarks.matching import PredictedLandmarks, ReportedFace, match_faces
from efficientfan.evaluation.landmarks.mean_shape import fit_mean_shape, place_shape
from efficientfan.evaluation.landmarks.test_set import BOX_KINDS, TestSet, annotation_boxes, jitter_boxes
from efficientfan.geometry import CropTransform
from efficientfan.imaging import read_rgb, roll_photo, warp
from efficientfan.predict import BackendOutput
from efficientfan.schema import LandmarkSchema, convert_points, convert_scores
from efficientfan.spec import ModelSpec
from efficientfan.structures import Annotation, Face

__all__ = [
    "CropBackend",
    "CropRunner",
    "FaceRunner",
    "Model",
    "EvaluationSetup",
    "mean_shape_points",
    "predict_in_boxes",
    "predict_in_photos",
    "predict_test_set",
]

Array = NDArray[Any]

CropRunner: TypeAlias = Callable[[Array], BackendOutput]
"""(N, S, S, 3) uint8 RGB crops -> their points and scores; a `Backend.run`."""

FaceRunner: TypeAlias = Callable[[list[Array]], list[list[Face]]]
"""A list of H x W x 3 uint8 RGB photos -> the faces of each; a `LandmarkPredictor.batch`."""

_PHOTOS_AT_ONCE = 8
"""Photos held in memory at a time; the predictor batches their faces."""


class CropBackend(Protocol):
    """Runs the network on crops."""

    def run(self, crops: Array, /) -> BackendOutput:
        """(N, S, S, 3) uint8 RGB crops -> their points and scores."""


class Model(Protocol):
    """What is evaluated; `efficientfan.predict.LandmarkPredictor` is one."""

    def batch(self, images: list[Array], /) -> list[list[Face]]:
        """The faces of each of a list of H x W x 3 uint8 RGB photos."""

    @property
    def spec(self) -> ModelSpec:
        """Crop size, margin and schema."""

    @property
    def backend(self) -> CropBackend:
        """The network alone, for crops from given boxes."""


@dataclass(frozen=True)
class EvaluationSetup:
    """How a model gets its faces.

    Attributes:
        box: one of `BOX_KINDS`.
        box_jitter: shift and scale of the boxes, as a fraction of their size (`jitter_boxes`).
        flip_test: average with the mirrored crop.
        roll: degrees by which photos are turned counter-clockwise before they are searched (`roll_photo`).
        seed: of the jitter and of the bootstrap.
    """

    box: str = "gt"
    box_jitter: float = 0.0
    flip_test: bool = False
    roll: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.box not in BOX_KINDS:
            raise InputError(f"--box is one of {', '.join(BOX_KINDS)}, not {self.box!r}")
        if self.box == "detector" and (self.box_jitter or self.flip_test):
            raise InputError("--box-jitter and --flip-test need given boxes: --box gt or --box supplied")
        if self.roll and self.box != "detector":
            raise InputError("--roll turns photos in which faces are looked for: --box detector")

    def to_dict(self) -> dict[str, Any]:
        """As the results file holds it."""
        return asdict(self)

    def boxes(self, test_set: TestSet) -> Array:
        """(N, 4) given boxes, jittered if asked for; for `detector` the ground-truth ones."""
        kind = "supplied" if self.box == "supplied" else "gt"
        return jitter_boxes(annotation_boxes(test_set.annotations, kind), self.box_jitter, self.seed)


def predict_test_set(
    model: Model,
    test_set: TestSet,
    setup: EvaluationSetup,
    *,
    batch_size: int = 32,
    progress: Callable[[int], None] = lambda done: None,
) -> PredictedLandmarks:
    """Landmarks of the N faces of a test set by a model, in the boxes that `setup` names.

    Raises:
        InputError: an unreadable photo, no box of the wanted kind, or schemas without a conversion.
    """
    if setup.box == "detector":
        return predict_in_photos(
            model.batch, test_set.annotations, test_set.schema, roll=setup.roll, progress=progress
        )
    boxes = setup.boxes(test_set)
    return predict_in_boxes(
        model.backend.run,
        model.spec,
        test_set.annotations,
        boxes if setup.box == "supplied" else model.spec.crop_boxes(boxes),
        schema=test_set.schema,
        flip_test=setup.flip_test,
        batch_size=batch_size,
        progress=progress,
    )


def mean_shape_points(test_set: TestSet, setup: EvaluationSetup, *, split: str = "train") -> Array:
    """The mean training face in each test box, (N, K, 2) image pixels: a baseline that uses no pixel of the photo.

    Raises:
        InputError: the data set has no such split, or it cannot be read.
    """
    info = get_dataset(test_set.name)
    if info.splits and split not in info.splits:
        raise InputError(f"--mean-shape needs a training split, and '{test_set.name}' has no {split!r}")
    faces = load_dataset(test_set.name, test_set.root, split, schema=test_set.schema)
    kind = "supplied" if setup.box == "supplied" else "gt"
    return place_shape(fit_mean_shape(faces, annotation_boxes(faces, kind)), setup.boxes(test_set))


def predict_in_boxes(
    run: CropRunner,
    spec: ModelSpec,
    annotations: Sequence[Annotation],
    boxes: Array,
    *,
    schema: LandmarkSchema | None = None,
    flip_test: bool = False,
    batch_size: int = 32,
    progress: Callable[[int], None] = lambda done: None,
) -> PredictedLandmarks:
    """Landmarks of N faces by a network, from one crop per given box.

    Args:
        run: the network on crops.
        spec: its crop size, margin and schema.
        annotations: N faces; only their photos are used, each read once.
        boxes: (N, 4) xyxy image pixels, one per face.
        schema: of the annotations; the model's points are converted to it. None keeps the model's own.
        flip_test: average with points and scores of the mirrored crop.
        batch_size: crops in one call of `run`.
        progress: called with the number of faces done since the last call.

    Raises:
        InputError: a photo that cannot be read, a batch size below one, or no conversion to `schema`.
    """
    if batch_size < 1:
        raise InputError(f"batch size must be at least 1, not {batch_size}")
    target = schema or spec.schema
    predicted = PredictedLandmarks.all_missed(len(annotations), target.n_landmarks)
    indices: list[int] = []
    transforms: list[CropTransform] = []
    crops: list[Array] = []

    def flush() -> None:
        found = _run(run, spec, np.concatenate(crops), flip_test=flip_test)
        for index, transform, points, scores in zip(indices, transforms, *found, strict=True):
            predicted.points[index] = convert_points(transform.inverse(points), spec.schema, target)
            predicted.scores[index] = convert_scores(scores, spec.schema, target)
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
    return predicted


def predict_in_photos(
    find: FaceRunner,
    annotations: Sequence[Annotation],
    schema: LandmarkSchema,
    *,
    roll: float = 0.0,
    progress: Callable[[int], None] = lambda done: None,
) -> PredictedLandmarks:
    """Landmarks of N faces by a predictor that finds the faces itself.

    Args:
        find: photos to faces.
        annotations: N faces; their points are used only to match found faces to annotated ones (`match_faces`).
        schema: of the annotations; the found points are converted to it.
        roll: degrees by which the photos are turned counter-clockwise before; the found points are turned back.
        progress: called with the number of faces done since the last call.
    """
    predicted = PredictedLandmarks.all_missed(len(annotations), schema.n_landmarks)
    photos = list(_by_photo(annotations))
    for start in range(0, len(photos), _PHOTOS_AT_ONCE):
        batch = photos[start : start + _PHOTOS_AT_ONCE]
        rolled = [roll_photo(read_rgb(path), roll) if roll else (read_rgb(path), None) for path, _ in batch]
        found = find([photo for photo, _ in rolled])
        for (_, members), (_, turn), faces in zip(batch, rolled, found, strict=True):
            reported = [_in_schema(face, schema, turn) for face in faces]
            for index, match in zip(
                members, match_faces(reported, [annotations[i].points for i in members]), strict=True
            ):
                if match is not None:
                    predicted.points[index], predicted.scores[index] = match.points, match.scores
            progress(len(members))
    return predicted


def _in_schema(face: Face, schema: LandmarkSchema, turn: CropTransform | None) -> ReportedFace:
    """The face in pixels of the photo as it was before `turn`."""
    points, box = convert_points(face.points, face.schema, schema), face.box
    if turn is not None:
        points = turn.inverse(points)
        box = np.concatenate([np.nanmin(points, axis=0), np.nanmax(points, axis=0)])
    return ReportedFace(points, box, convert_scores(face.scores, face.schema, schema))


def _run(run: CropRunner, spec: ModelSpec, crops: Array, *, flip_test: bool) -> tuple[Array, Array]:
    """Points (N, K, 2) in crop pixels and scores (N, K)."""
    found = run(crops)
    points, scores = (np.asarray(each, dtype=np.float64) for each in (found.points, found.scores))
    if flip_test:
        mirrored = run(np.ascontiguousarray(crops[:, :, ::-1]))
        points = spec.join_mirrored(points, spec.schema.flip(mirrored.points, width=crops.shape[2]))
        scores = (scores + mirrored.scores[:, spec.schema.flip_indices]) / 2
    return points, scores


def _by_photo(annotations: Sequence[Annotation]) -> Iterator[tuple[Path, list[int]]]:
    photos: dict[Path, list[int]] = {}
    for index, annotation in enumerate(annotations):
        photos.setdefault(annotation.image, []).append(index)
    yield from photos.items()
