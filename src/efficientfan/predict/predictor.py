"""A photo to landmarks, in one straight line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efficientfan.errors import InputError
from efficientfan.geometry import CropTransform, box_iou, box_nesting
from efficientfan.imaging import ImageLike, PhotoPyramid, to_rgb, warp
from efficientfan.predict.backends import Backend, open_backend
from efficientfan.predict.detectors import FaceDetector, open_detector
from efficientfan.predict.detectors.base import suppress
from efficientfan.predict.given_boxes import boxes_within
from efficientfan.predict.timing import UNTIMED, StageTimes
from efficientfan.spec import ModelSpec
from efficientfan.structures import Face
from efficientfan.weights import find_model

__all__ = ["LandmarkPredictor", "Proposal", "load"]

Array = NDArray[Any]

SAME_FACE_IOU = 0.5
"""Two found faces whose landmark boxes overlap by more are one face, found twice."""

SAME_FACE_NESTING = 0.7
"""So are two of which the smaller lies in the larger by more: an eye and a cheek are often taken for a face."""

LOST_IOU = 0.2
"""Landmarks whose box overlaps the detector's by less have run away; the second crop stays the detector's."""


@dataclass(frozen=True, eq=False)
class Proposal:
    """A photo and where its faces may be.

    Attributes:
        photo: the image, with the reductions that its crops need.
        boxes: (N, 4) xyxy in image pixels.
        given: they are the caller's, each one a face; else a detector's, to be refined and chosen from.
    """

    photo: PhotoPyramid
    boxes: Array
    given: bool


class LandmarkPredictor:
    """Finds faces and their landmarks.

    Args:
        backend: an exported model on a device.
        detector: finds the faces where the caller gives no boxes.
        batch_size: the most crops that go through the network at once; it changes speed and memory only.
        times: takes up the seconds of each stage.

    Example:
        >>> predictor = efficientfan.load()                              # doctest: +SKIP
        >>> [face.points for face in predictor("photo.jpg")]             # doctest: +SKIP
    """

    def __init__(
        self,
        backend: Backend,
        detector: FaceDetector,
        *,
        batch_size: int = 32,
        times: StageTimes = UNTIMED,
    ) -> None:
        if batch_size < 1:
            raise InputError(f"batch_size must be at least 1, not {batch_size}")
        self.backend = backend
        self.detector = detector
        self.batch_size = batch_size
        self.times = times

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
            return self.locate([self.propose(image, boxes)], min_score)[0]
        if boxes is None:
            boxes = [None] * len(image)
        if len(boxes) != len(image):
            raise InputError(f"{len(image)} images need as many sets of boxes, not {len(boxes)}")
        return self.locate(
            [self.propose(*each) for each in zip(image, boxes, strict=True)],
            min_score,
        )

    def propose(
        self, image: ImageLike, boxes: ArrayLike | None = None, *, detector: FaceDetector | None = None
    ) -> Proposal:
        """The first half of a call: where an image's faces may be.

        Args:
            image: as in a call.
            boxes: (N, 4) xyxy in image pixels, or None.
            detector: to be asked instead of the predictor's own, such as another thread's.

        Raises:
            InputError: as in a call.
        """
        with self.times.measure("read"):
            photo = to_rgb(image)
        if boxes is not None:
            return Proposal(PhotoPyramid(photo), boxes_within(boxes, photo.shape[1], photo.shape[0]), True)
        with self.times.measure("detect"):
            found = (detector or self.detector).detect(photo)
        return Proposal(PhotoPyramid(photo), found.boxes, False)

    def locate(self, proposals: Sequence[Proposal], min_score: float | None = None) -> list[list[Face]]:
        """The second half of a call: the faces of each image, batched across images.

        Threads may share a predictor for it where its backend's `run` allows that.
        """
        threshold = self.spec.score_threshold if min_score is None else min_score
        photos = [proposal.photo for proposal in proposals]
        first = self._locate(photos, [each.boxes[: 0 if each.given else None] for each in proposals])
        with self.times.measure("faces"):
            refined = [
                each.boxes if each.given else np.reshape([_refine(face) for face in faces], (-1, 4))
                for each, faces in zip(proposals, first, strict=True)
            ]
        second = self._locate(photos, refined)
        with self.times.measure("faces"):
            return [
                faces if each.given else _select(faces, threshold)
                for each, faces in zip(proposals, second, strict=True)
            ]

    def _locate(self, photos: Sequence[PhotoPyramid], boxes: Sequence[Array]) -> list[list[Face]]:
        """One pass: the landmarks in each box of each photo, batched across photos."""
        spec, times = self.spec, self.times
        faces: list[list[Face]] = [[] for _ in photos]
        jobs = [(index, box) for index, photo_boxes in enumerate(boxes) for box in photo_boxes]
        side = spec.input_size
        crops = np.empty((min(self.batch_size, len(jobs)), side, side, 3), np.uint8)
        for start in range(0, len(jobs), self.batch_size):
            batch = jobs[start : start + self.batch_size]
            with times.measure("crop"):
                cuts = [CropTransform.from_box(box, side, spec.crop_margin) for _, box in batch]
                for index, rows in groupby(range(len(batch)), key=lambda row: batch[row][0]):
                    own = list(rows)
                    place = slice(own[0], own[-1] + 1)
                    warp(photos[index], cuts[place], out=crops[place])
            with times.measure("network"):
                found = self.backend.run(crops[: len(batch)])
            with times.measure("faces"):
                for row, (index, box) in enumerate(batch):
                    points = cuts[row].inverse(found.points[row])
                    visibility = None if found.visibility is None else found.visibility[row]
                    faces[index].append(Face(box, points, found.scores[row], spec.schema, visibility))
        return faces


def load(
    model: str | Path = "default",
    *,
    detector: str | FaceDetector = "auto",
    backend: str | None = None,
    device: str = "cpu",
    threads: int | None = None,
    precision: str = "f32",
    batch_size: int = 32,
    times: StageTimes = UNTIMED,
) -> LandmarkPredictor:
    """A predictor from a packaged model or an exported file.

    Args:
        model: "default", a packaged model's name (`efficientfan models list`), the path of an `.onnx` file or
            of a `.safetensors` checkpoint.
        detector: "auto", "facefinder", "yunet", "haar", "whole" (the photo is the face), the path of an .onnx
            detector of ours, or an object with `detect`.
        backend: "onnxruntime", "openvino" or "torch"; None lets the file decide (`open_backend`).
        device: of the landmark network: "cpu"; with onnxruntime and torch "cuda" or "cuda:N", with openvino "gpu" or
            "gpu:N", with torch "mps". One that is not there is an error. The detector stays on the processor.
        threads: processor threads of the networks; None takes all cores.
        precision: "f32", "bf16" or "auto" (`open_backend`).
        batch_size: the most crops that go through the network at once.

    Raises:
        InputError: an unknown name, engine, device or precision, or a file that is missing, damaged or not ours.
        MissingDependencyError: an engine, a device or a detector's model file is not there.
    """
    engine = open_backend(
        find_model(model), backend=backend, device=device, threads=threads, precision=precision
    )
    finder = open_detector(detector, threads) if isinstance(detector, str) else detector
    return LandmarkPredictor(engine, finder, batch_size=batch_size, times=times)


def _refine(face: Face) -> Array:
    """The box of the landmarks where they are believable, else the one that was searched."""
    box = face.tight_box
    return box if box_iou(box, face.box)[0, 0] >= LOST_IOU else face.box


def _select(faces: list[Face], threshold: float) -> list[Face]:
    """Drop what is no face or found twice; the largest first."""
    sure = [face for face in faces if face.score >= threshold]
    boxes = np.reshape([face.tight_box for face in sure], (-1, 4))
    same = (box_iou(boxes, boxes) > SAME_FACE_IOU) | (box_nesting(boxes, boxes) > SAME_FACE_NESTING)
    kept = [sure[index] for index in suppress(same, np.array([face.score for face in sure]))]
    return sorted(kept, key=lambda face: -float(np.prod(np.ptp(face.points, axis=0))))
