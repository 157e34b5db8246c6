"""From a photo to landmarks, step by step."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efficientfan.errors import InputError
from efficientfan.geometry import CropTransform, box_iou, box_nesting
from efficientfan.imaging import Channels, ImageLike, PhotoPyramid, to_rgb, warp
from efficientfan.predict.backends import Backend, engine_in_words, open_backend
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
"""Above this IoU of their landmark boxes two found faces are the same face."""

SAME_FACE_NESTING = 0.7
"""Above this share of the smaller box inside the larger they are, too: detectors often take an eye and a cheek for
a face."""

LOST_IOU = 0.2
"""Below this IoU with the detector's box the landmarks are discarded, and the detector's box is kept for the second
crop."""


@dataclass(frozen=True, eq=False)
class Proposal:
    """A photo and the boxes of its possible faces.

    Attributes:
        photo: the image, with the reduced copies that its crops need.
        boxes: (N, 4) xyxy in image pixels.
        given: whether the boxes are the caller's, each kept as a face; a detector's are refined and filtered.
    """

    photo: PhotoPyramid
    boxes: Array
    given: bool


class LandmarkPredictor:
    """Finds faces and their landmarks.

    Args:
        backend: a model on a device.
        detector: finds the faces where the caller gives no boxes.
        batch_size: most crops that go through the network at once; it changes speed and memory, not the results.
        times: sums up the seconds of each stage.

    Raises:
        InputError: a batch size below 1.

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

    def __repr__(self) -> str:
        return (
            f"LandmarkPredictor({self.spec.name}, {self.spec.schema.name}; {engine_in_words(self.backend)}; "
            f"detector: {self.detector.name}; batch_size={self.batch_size})"
        )

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a LandmarkPredictor cannot be pickled or copied, since it holds an open model of the inference engine; "
            "call efficientfan.load() in each process instead"
        )

    @property
    def spec(self) -> ModelSpec:
        """What the model is."""
        return self.backend.spec

    def __call__(
        self,
        image: ImageLike,
        boxes: ArrayLike | None = None,
        *,
        min_score: float | None = None,
        channels: Channels = "rgb",
    ) -> list[Face]:
        """The faces of one image.

        With boxes: one `Face` per box, in their order, none dropped; one pass. Without: the detector proposes boxes,
        the landmarks of a first pass choose the crop of a second, faces that score below `min_score` are dropped, of
        faces found twice the one with the higher score is kept, and the largest comes first.

        Args:
            image: a path; the bytes of an image file; a file open in binary mode; an H x W x 3 uint8 array (H x W
                grey, H x W x 4 with alpha, and uint16 too); or a PIL image (`imaging.to_rgb`).
            boxes: (N, 4) xyxy in image pixels; None asks the detector.
            min_score: lowest mean landmark score of a found face, in [0, 1]; None takes the model's own.
            channels: order of an array's colours, "rgb" or "bgr" (OpenCV's).

        Returns:
            The faces, perhaps none; points in pixels of the upright image, 0-based, pixel centres at integers.

        Raises:
            InputError: an unreadable image, or a box without positive size or wholly outside its image.
        """
        if isinstance(image, list | tuple):
            warnings.warn(
                "predictor(images) with a list is deprecated; call predictor.batch(images)",
                DeprecationWarning,
                stacklevel=2,
            )
            sets: Any = boxes
            results: Any = self.batch(image, sets, min_score=min_score, channels=channels)
            return results  # type: ignore[no-any-return]
        return self.locate([self.propose(image, boxes, channels=channels)], min_score)[0]

    def batch(
        self,
        images: Sequence[ImageLike] | Array,
        boxes: Sequence[ArrayLike | None] | None = None,
        *,
        min_score: float | None = None,
        channels: Channels = "rgb",
    ) -> list[list[Face]]:
        """The faces of each of several images, which are all held in memory; `predict_photos` holds a few at a time.

        Args:
            images: N images as for a call, or one N x H x W x 3 uint8 array.
            boxes: N entries, each (M, 4) xyxy in image pixels or None (asks the detector); None asks it for all.
            min_score: as for a call.
            channels: as for a call.

        Returns:
            N lists of faces, each as of a call on that image.

        Raises:
            InputError: as for a call, another number of entries in `boxes`, or something else than several images.
        """
        if isinstance(images, np.ndarray):
            if images.ndim != 4:
                raise InputError(f"an array of images has shape N x H x W x 3, not {images.shape}")
        elif isinstance(images, str | bytes) or not isinstance(images, Sequence):
            raise InputError(
                "predictor.batch takes a list of images or an N x H x W x 3 array, not "
                f"{type(images).__name__}; for one image call predictor(image)"
            )
        if boxes is None:
            boxes = [None] * len(images)
        if len(boxes) != len(images):
            raise InputError(f"{len(images)} images need as many sets of boxes, not {len(boxes)}")
        return self.locate(
            [self.propose(image, own, channels=channels) for image, own in zip(images, boxes, strict=True)],
            min_score,
        )

    def propose(
        self,
        image: ImageLike,
        boxes: ArrayLike | None = None,
        *,
        detector: FaceDetector | None = None,
        channels: Channels = "rgb",
    ) -> Proposal:
        """The first half of a call: the boxes of an image.

        Args:
            image: as for a call.
            boxes: (N, 4) xyxy in image pixels, or None.
            detector: asked instead of the predictor's own, such as another thread's.
            channels: as for a call.

        Raises:
            InputError: as for a call.
        """
        with self.times.measure("read"):
            photo = to_rgb(image, channels=channels)
        if boxes is not None:
            return Proposal(PhotoPyramid(photo), boxes_within(boxes, photo.shape[1], photo.shape[0]), True)
        with self.times.measure("detect"):
            found = (detector or self.detector).detect(photo)
        return Proposal(PhotoPyramid(photo), found.boxes, False)

    def locate(self, proposals: Sequence[Proposal], min_score: float | None = None) -> list[list[Face]]:
        """The second half of a call: the faces of each image, batched across images; threads may share it.

        Args:
            proposals: N images with their boxes.
            min_score: as for a call.

        Returns:
            N lists of faces.
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
        """One pass: the landmarks in each box of each photo, in batches across photos."""
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
                    faces[index].append(
                        Face(box, points, found.scores[row], spec.schema, visibility, spec.name)
                    )
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
    """Open a packaged model, an exported file or a checkpoint, with a detector, as a predictor.

    Args:
        model: "default", a packaged model's name (`efficientfan models list`), the path of an `.onnx` file or
            of a `.safetensors` checkpoint.
        detector: "auto", "facefinder", "yunet", "haar", "whole" (the photo is the face), the path of an .onnx
            detector of `efficientfan export`, or an object with `detect`.
        backend: "onnxruntime", "openvino" or "torch"; None lets the file decide (`open_backend`).
        device: of the landmark network: "cpu"; with onnxruntime and torch "cuda" or "cuda:N", with openvino "gpu" or
            "gpu:N", with torch "mps". One that is not available is an error. The detector runs on the CPU.
        threads: processor threads of the networks; None takes all cores.
        precision: "f32", "bf16" or "auto" (`open_backend`).
        batch_size: most crops that go through the network at once.
        times: sums up the seconds of each stage; nothing is measured without it.

    Raises:
        InputError: an unknown name, engine, device or precision, or a file that is missing, damaged or not
            one of efficientfan.
        MissingDependencyError: an engine, a device or a detector's model file is not available.
    """
    engine = open_backend(
        find_model(model), backend=backend, device=device, threads=threads, precision=precision
    )
    finder = open_detector(detector, threads) if isinstance(detector, str) else detector
    return LandmarkPredictor(engine, finder, batch_size=batch_size, times=times)


def _refine(face: Face) -> Array:
    """The landmarks' box, or the face's own where the two overlap by less than `LOST_IOU`."""
    box = face.tight_box
    return box if box_iou(box, face.box)[0, 0] >= LOST_IOU else face.box


def _select(faces: list[Face], threshold: float) -> list[Face]:
    """The faces that score enough, each once, the largest first."""
    sure = [face for face in faces if face.score >= threshold]
    boxes = np.reshape([face.tight_box for face in sure], (-1, 4))
    same = (box_iou(boxes, boxes) > SAME_FACE_IOU) | (box_nesting(boxes, boxes) > SAME_FACE_NESTING)
    kept = [sure[index] for index in suppress(same, np.array([face.score for face in sure]))]
    return sorted(kept, key=lambda face: -float(np.prod(np.ptp(face.points, axis=0))))
