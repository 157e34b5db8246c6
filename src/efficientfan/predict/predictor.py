"""From a photo to landmarks, step by step."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efficientfan.errors import InputError, check_number
from efficientfan.geometry import box_iou, box_nesting
from efficientfan.imaging import ChannelOrder, ImageLike, PhotoPyramid, to_rgb, warp
from efficientfan.predict.backends import Backend, engine_in_words, open_backend
from efficientfan.predict.crops import FaceRegion, agree, region_of_landmarks, region_of_proposal
from efficientfan.predict.detectors import FaceDetector, SharedDetector, open_detector
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

SURE = 0.75
"""A first crop that scores less may show a face at a wrong roll: it is turned."""

QUARTER_TURNS = (90.0, 180.0, 270.0)
"""Of such a crop, in degrees counter-clockwise."""

Passes: TypeAlias = Literal["auto", 1, 2]
"""Crops of a found face: one; two, the second from the landmarks of the first; or a second only where it would show
something else (`crops.agree`). Before the second, crops that are not `SURE` are turned."""


@dataclass(frozen=True, eq=False)
class Proposal:
    """A photo and the boxes of its possible faces.

    Attributes:
        photo: the image, with the reduced copies that its crops need.
        boxes: (N, 4) xyxy in image pixels.
        given: whether the boxes are the caller's, each kept as a face; a detector's are refined and filtered.
        points: (N, 5, 2) of schema "five" that the detector gave; None without any.
        scores: (N,) that the detector gave; None of given boxes.
    """

    photo: PhotoPyramid
    boxes: Array
    given: bool
    points: Array | None = None
    scores: Array | None = None

    @property
    def regions(self) -> list[FaceRegion]:
        """N regions to be cut, turned as the points say."""
        points = [None] * len(self.boxes) if self.points is None else list(self.points)
        return [region_of_proposal(box, five) for box, five in zip(self.boxes, points, strict=True)]


class LandmarkPredictor:
    """Finds faces and their landmarks. Threads may share it; a forked or spawned process loads its own.

    Args:
        backend: a model on a device.
        detector: finds the faces where the caller gives no boxes.
        batch_size: most crops that go through the network at once; it changes speed and memory, not the results.
        passes: crops of a found face, see `Passes`.
        max_faces: keep the largest so many found faces of an image; None keeps all.
        times: sums up the seconds of each stage.

    Raises:
        InputError: a batch size or number of faces below 1, or unknown passes.

    Example:
        >>> predictor = efficientfan.load()                              # doctest: +SKIP
        >>> [face.points for face in predictor("photo.jpg")]             # doctest: +SKIP
    """

    def __init__(
        self,
        backend: Backend,
        detector: FaceDetector,
        *,
        batch_size: int = 8,
        passes: Passes = "auto",
        max_faces: int | None = None,
        times: StageTimes = UNTIMED,
    ) -> None:
        check_number("batch_size", batch_size, 1, whole=True)
        if passes not in ("auto", 1, 2):
            raise InputError(f'passes is "auto", 1 or 2, not {passes!r}')
        if max_faces is not None:
            check_number("max_faces", max_faces, 1, whole=True)
        self.backend = backend
        self.detector = detector
        self._shared = SharedDetector(detector, owner=threading.get_ident())
        self._process = os.getpid()
        self.batch_size = batch_size
        self.passes = passes
        self.max_faces = max_faces
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
        channels: ChannelOrder = "rgb",
    ) -> list[Face]:
        """The faces of one image.

        With boxes: one `Face` per box, in their order, none dropped; one pass. Without: the detector proposes boxes
        and their roll, a first pass whose landmarks are not sure is turned, the landmarks choose the crop of a second
        pass where that differs, faces that score below `min_score` are dropped, of faces found twice the one with the
        higher score is kept, and the largest comes first.

        Args:
            image: a path; the bytes of an image file; a file open in binary mode; an H x W x 3 uint8 array (H x W
                gray, H x W x 4 with alpha, and uint16 too); or a PIL image (`imaging.to_rgb`).
            boxes: (N, 4) xyxy in image pixels; None asks the detector.
            min_score: lowest mean landmark score of a found face, in [0, 1]; None takes the model's own.
            channels: order of an array's colors, "rgb" or "bgr" (OpenCV's).

        Returns:
            The faces, perhaps none; points in pixels of the upright image, 0-based, pixel centers at integers.

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
            return cast("list[Face]", results)  # the deprecated call on a list
        return self.locate([self.propose(image, boxes, channels=channels)], min_score)[0]

    def batch(
        self,
        images: Sequence[ImageLike] | Array,
        boxes: Sequence[ArrayLike | None] | None = None,
        *,
        min_score: float | None = None,
        channels: ChannelOrder = "rgb",
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
        channels: ChannelOrder = "rgb",
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
        if os.getpid() != self._process:  # its threads are not here: it would wait for them for ever
            raise InputError(
                "this predictor was loaded before the process forked; call efficientfan.load() in each process"
            )
        with self.times.measure("read"):
            photo = to_rgb(image, channels=channels)
        if boxes is not None:
            return Proposal(PhotoPyramid(photo), boxes_within(boxes, photo.shape[1], photo.shape[0]), True)
        with self.times.measure("detect"):
            found = (detector or self._shared).detect(photo)
        return Proposal(PhotoPyramid(photo), found.boxes, False, found.points, found.scores)

    def locate(self, proposals: Sequence[Proposal], min_score: float | None = None) -> list[list[Face]]:
        """The second half of a call: the faces of each image, batched across images; threads may share it.

        Args:
            proposals: N images with their boxes.
            min_score: as for a call.

        Returns:
            N lists of faces.

        Raises:
            InputError: a `min_score` outside [0, 1], or a model that fails or gives numbers that are not finite.
        """
        threshold = self.spec.score_threshold
        if min_score is not None:
            check_number("min_score", min_score, 0, 1)
            threshold = min_score
        photos = [proposal.photo for proposal in proposals]
        regions = [each.regions for each in proposals]
        faces = self._locate(photos, regions)
        if self.passes != 1:
            self._turn_unsure(proposals, faces, regions)
            again = [
                [] if each.given else self._again(own, cut)
                for each, own, cut in zip(proposals, faces, regions, strict=True)
            ]
            second = self._locate(photos, [[region for _, region in chosen] for chosen in again])
            for own, chosen, better in zip(faces, again, second, strict=True):
                for (index, _), face in zip(chosen, better, strict=True):
                    own[index] = face
        with self.times.measure("faces"):
            return [
                own if each.given else self._select(own, each, threshold)
                for each, own in zip(proposals, faces, strict=True)
            ]

    def locate_in(self, photo: PhotoPyramid, regions: Sequence[FaceRegion]) -> list[Face]:
        """One pass of the network: a face per region of an image, in their order, none dropped or moved."""
        return self._locate([photo], [regions])[0]

    def _turn_unsure(
        self, proposals: Sequence[Proposal], faces: list[list[Face]], regions: list[list[FaceRegion]]
    ) -> None:
        """Put in place of faces and regions of detectors that are not sure what scores more at another roll.

        It must score halfway from the model's threshold to 1: where there is no face, one of four crops often scores
        more than the first.
        """
        enough = (1 + self.spec.score_threshold) / 2
        unsure = [
            [] if each.given else [index for index, face in enumerate(own) if face.score < SURE]
            for each, own in zip(proposals, faces, strict=True)
        ]
        turned = [
            [cut[index].turned(degrees) for index in chosen for degrees in QUARTER_TURNS]
            for chosen, cut in zip(unsure, regions, strict=True)
        ]
        tried = self._locate([each.photo for each in proposals], turned)
        for own, cut, chosen, rolled, found in zip(faces, regions, unsure, turned, tried, strict=True):
            for place, (face, region) in enumerate(zip(found, rolled, strict=True)):
                index = chosen[place // len(QUARTER_TURNS)]
                if face.score > max(own[index].score, enough):
                    own[index], cut[index] = face, region

    def _again(self, faces: Sequence[Face], regions: Sequence[FaceRegion]) -> list[tuple[int, FaceRegion]]:
        """Which of a photo's faces are cut a second time, and where."""
        chosen = []
        for index, (face, region) in enumerate(zip(faces, regions, strict=True)):
            points = face.points.astype(np.float64)
            better = region_of_landmarks(points, self.spec.schema, region, self.spec.crop_box)
            if self.passes == 2 or not agree(region, better):
                chosen.append((index, better))
        return chosen

    def _select(self, faces: list[Face], proposal: Proposal, threshold: float) -> list[Face]:
        """Drop what is no face or found twice; the largest first, with what the detector said of them."""
        scores = np.zeros(len(faces)) if proposal.scores is None else proposal.scores
        found = [
            replace(face, detector_box=box, detector_score=float(score))
            for face, box, score in zip(faces, proposal.boxes, scores, strict=True)
        ]
        sure = [face for face in found if face.score >= threshold]
        boxes = np.reshape([face.tight_box for face in sure], (-1, 4))
        same = (box_iou(boxes, boxes) > SAME_FACE_IOU) | (box_nesting(boxes, boxes) > SAME_FACE_NESTING)
        kept = [sure[index] for index in suppress(same, np.array([face.score for face in sure]))]
        return sorted(kept, key=lambda face: -float(np.prod(np.ptp(face.points, axis=0))))[: self.max_faces]

    def _locate(
        self, photos: Sequence[PhotoPyramid], regions: Sequence[Sequence[FaceRegion]]
    ) -> list[list[Face]]:
        """One pass: the landmarks in each region of each photo, batched across photos."""
        spec, times = self.spec, self.times
        faces: list[list[Face]] = [[] for _ in photos]
        jobs = [(index, region) for index, own in enumerate(regions) for region in own]
        side = spec.input_size
        crops = np.empty((min(self.batch_size, len(jobs)), side, side, 3), np.uint8)
        for start in range(0, len(jobs), self.batch_size):
            batch = jobs[start : start + self.batch_size]
            with times.measure("crop"):
                cuts = [region.crop(side, spec.crop_margin) for _, region in batch]
                for index, rows in groupby(range(len(batch)), key=lambda row: batch[row][0]):
                    own = list(rows)
                    place = slice(own[0], own[-1] + 1)
                    warp(photos[index], cuts[place], out=crops[place])
            with times.measure("network"):
                found = self.backend.run(crops[: len(batch)])
            with times.measure("faces"):
                for row, (index, region) in enumerate(batch):
                    points = cuts[row].inverse(found.points[row])
                    visibility = None if found.visibility is None else found.visibility[row]
                    scores = found.scores[row]
                    faces[index].append(
                        Face(region.box, points, scores, spec.schema, visibility, spec.name, roll=region.roll)
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
    batch_size: int = 8,
    passes: Passes = "auto",
    max_faces: int | None = None,
    times: StageTimes = UNTIMED,
    streams: int = 1,
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
        batch_size: the most crops that go through the network at once.
        passes, max_faces: see `LandmarkPredictor`.
        times: sums up the seconds of each stage.
        streams: runs of the landmark network that openvino computes at once (`open_backend`).

    Raises:
        InputError: an unknown name, engine, device or precision, or a file that is missing, damaged or not
            one of efficientfan.
        MissingDependencyError: an engine, a device or a detector's model file is not available.
    """
    engine = open_backend(
        find_model(model),
        backend=backend,
        device=device,
        threads=threads,
        precision=precision,
        streams=streams,
    )
    finder = open_detector(detector, threads) if isinstance(detector, str) else detector
    if not hasattr(finder, "detect"):
        raise InputError(f"a detector is a name or an object with `detect`, not {detector!r}")
    return LandmarkPredictor(
        engine, finder, batch_size=batch_size, passes=passes, max_faces=max_faces, times=times
    )
