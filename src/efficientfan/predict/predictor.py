"""A photo to landmarks, in one straight line."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efficientfan.errors import InputError
from efficientfan.geometry import CropTransform, box_iou, box_nesting
from efficientfan.imaging import ImageLike, to_rgb, warp
from efficientfan.predict.backend import Backend
from efficientfan.predict.detectors.base import FaceDetector, suppress
from efficientfan.predict.given_boxes import boxes_within
from efficientfan.spec import ModelSpec
from efficientfan.structures import Face

__all__ = ["LandmarkPredictor"]

Array = NDArray[Any]

SAME_FACE_IOU = 0.5
"""Two found faces whose landmark boxes overlap by more are one face, found twice."""

SAME_FACE_NESTING = 0.7
"""So are two of which the smaller lies in the larger by more: an eye and a cheek are often taken for a face."""

LOST_IOU = 0.2
"""Landmarks whose box overlaps the detector's by less have run away; the second crop stays the detector's."""


class LandmarkPredictor:
    """Finds faces and their landmarks.

    Args:
        backend: an exported model on a device.
        detector: finds the faces where the caller gives no boxes.
        batch_size: the most crops that go through the network at once; it changes speed and memory only.

    Example:
        >>> predictor = efficientfan.load()                              # doctest: +SKIP
        >>> [face.points for face in predictor("photo.jpg")]             # doctest: +SKIP
    """

    def __init__(self, backend: Backend, detector: FaceDetector, *, batch_size: int = 32) -> None:
        if batch_size < 1:
            raise InputError(f"batch_size must be at least 1, not {batch_size}")
        self.backend = backend
        self.detector = detector
        self.batch_size = batch_size

    @property
    def spec(self) -> ModelSpec:
        """What the model is."""
        return self.backend.spec

    @overload
    def __call__(  # type: ignore[overload-overlap]  # a str is a Sequence too; here it is one path
        self, image: ImageLike, boxes: ArrayLike | None = None, *, min_score: float | None = None
    ) -> list[Face]: ...

    @overload
    def __call__(
        self,
        image: Sequence[ImageLike],
        boxes: Sequence[ArrayLike | None] | None = None,
        *,
        min_score: float | None = None,
    ) -> list[list[Face]]: ...

    def __call__(self, image: Any, boxes: Any = None, *, min_score: float | None = None) -> Any:
        """The faces of an image, or of each image of a list.

        With boxes: one `Face` per box, in their order, none dropped; one pass. Without: the detector
        proposes, the landmarks of a first pass choose the crop of a second, faces that score below
        `min_score` are dropped, of faces found twice the surer stays, and the largest comes first.

        Args:
            image: a path, an H x W x 3 uint8 RGB array (grey and RGBA too), a PIL image; or a list of them.
            boxes: (N, 4) xyxy in image pixels; for a list of images a list of these, None asks the detector.
            min_score: lowest mean landmark score of a found face, in [0, 1]; None takes the model's own.

        Returns:
            A list of faces, perhaps empty; for a list of images a list of such lists.

        Raises:
            InputError: an unreadable image, or a box without positive size or wholly outside its image.
        """
        if not isinstance(image, list | tuple):
            return self._predict([image], [boxes], min_score)[0]
        if boxes is None:
            boxes = [None] * len(image)
        if len(boxes) != len(image):
            raise InputError(f"{len(image)} images need as many sets of boxes, not {len(boxes)}")
        return self._predict(list(image), list(boxes), min_score)

    def _predict(
        self, images: list[ImageLike], boxes: list[ArrayLike | None], min_score: float | None
    ) -> list[list[Face]]:
        threshold = self.spec.score_threshold if min_score is None else min_score
        photos = [to_rgb(image) for image in images]
        asked = [
            None if given is None else boxes_within(given, photo.shape[1], photo.shape[0])
            for given, photo in zip(boxes, photos, strict=True)
        ]

        proposed = [
            self.detector.detect(photo).boxes if given is None else given[:0]
            for photo, given in zip(photos, asked, strict=True)
        ]
        first = self._locate(photos, proposed)
        refined = [
            np.reshape([_refine(face) for face in faces], (-1, 4)) if given is None else given
            for faces, given in zip(first, asked, strict=True)
        ]
        second = self._locate(photos, refined)
        return [
            _select(faces, threshold) if given is None else faces
            for faces, given in zip(second, asked, strict=True)
        ]

    def _locate(self, photos: list[Array], boxes: list[Array]) -> list[list[Face]]:
        """One pass: the landmarks in each box of each photo, batched across photos."""
        spec = self.spec
        faces: list[list[Face]] = [[] for _ in photos]
        jobs = [
            (index, box, CropTransform.from_box(box, spec.input_size, spec.crop_margin))
            for index, photo_boxes in enumerate(boxes)
            for box in photo_boxes
        ]
        for start in range(0, len(jobs), self.batch_size):
            batch = jobs[start : start + self.batch_size]
            crops = np.concatenate(
                [
                    warp(photos[index], [transform for *_, transform in of_photo])
                    for index, of_photo in groupby(batch, key=lambda job: job[0])
                ]
            )
            found = self.backend.run(crops)
            for row, (index, box, transform) in enumerate(batch):
                points = transform.inverse(found.points[row])
                visibility = None if found.visibility is None else found.visibility[row]
                faces[index].append(Face(box, points, found.scores[row], spec.schema, visibility))
        return faces


def _landmark_box(face: Face) -> Array:
    return np.concatenate([face.points.min(axis=0), face.points.max(axis=0)])


def _refine(face: Face) -> Array:
    """The box of the landmarks where they are believable, else the one that was searched."""
    box = _landmark_box(face)
    return box if box_iou(box, face.box)[0, 0] >= LOST_IOU else face.box


def _select(faces: list[Face], threshold: float) -> list[Face]:
    """Drop what is no face or found twice; the largest first."""
    sure = [face for face in faces if face.score >= threshold]
    boxes = np.reshape([_landmark_box(face) for face in sure], (-1, 4))
    same = (box_iou(boxes, boxes) > SAME_FACE_IOU) | (box_nesting(boxes, boxes) > SAME_FACE_NESTING)
    kept = [sure[index] for index in suppress(same, np.array([face.score for face in sure]))]
    return sorted(kept, key=lambda face: -float(np.prod(np.ptp(face.points, axis=0))))
