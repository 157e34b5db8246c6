"""The interface of a face detector, two that wrap or replace one, and the arithmetic that detectors share."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from efficientfan.errors import InputError
from efficientfan.geometry import box_iou

__all__ = [
    "Detections",
    "FaceDetector",
    "Filtered",
    "SharedDetector",
    "WholeImageDetector",
    "plausible",
    "shrink_to",
    "strongest",
    "suppress",
]

Array = NDArray[Any]


@dataclass(frozen=True)
class Detections:
    """The faces that a detector finds in an image.

    Attributes:
        boxes: (N, 4) float32 xyxy in image pixels, close to the smallest box around the landmarks.
        scores: (N,) float32, higher is surer; not comparable between detectors.
        points: (N, 5, 2) float32 of schema "five" in image pixels: eye centers, nose tip, mouth corners; None where the
            detector gives none.

    Raises:
        InputError: another number of scores than of boxes, or points of another shape.
    """

    boxes: Array
    scores: Array
    points: Array | None = None

    def __post_init__(self) -> None:
        boxes = np.asarray(self.boxes, dtype=np.float32).reshape(-1, 4)
        scores = np.asarray(self.scores, dtype=np.float32).reshape(-1)
        if len(boxes) != len(scores):
            raise InputError(f"{len(boxes)} boxes need as many scores, not {len(scores)}")
        object.__setattr__(self, "boxes", boxes)
        object.__setattr__(self, "scores", scores)
        if self.points is not None:
            points = np.asarray(self.points, dtype=np.float32)
            if points.shape != (len(boxes), 5, 2):
                raise InputError(f"{len(boxes)} boxes need points of shape (N, 5, 2), not {points.shape}")
            object.__setattr__(self, "points", points)

    def __len__(self) -> int:
        return len(self.boxes)

    def take(self, chosen: Array) -> Detections:
        """Those that `chosen`, indices or a (N,) bool mask, names."""
        points = None if self.points is None else self.points[chosen]
        return Detections(self.boxes[chosen], self.scores[chosen], points)


class FaceDetector(Protocol):
    """Finds faces in an image.

    `detect` need not be thread-safe: each thread uses a copy of its own where the detector has a method `copy()`, and
    otherwise the threads take turns.
    """

    @property
    def name(self) -> str:
        """Short name, such as "yunet"."""

    def detect(self, image: Array) -> Detections:
        """The faces of an H x W x 3 uint8 RGB image, possibly none."""


class WholeImageDetector:
    """For photos that are cropped to one face: the box is the whole image."""

    name = "whole"

    def detect(self, image: Array) -> Detections:
        """The box of the whole H x W x 3 image, with score 1."""
        height, width = image.shape[:2]
        return Detections(np.array([[-0.5, -0.5, width - 0.5, height - 0.5]]), np.ones(1))

    def copy(self) -> WholeImageDetector:
        """Itself: it has no state, so threads may share it."""
        return self


class Filtered:
    """A detector without its unsure and its small detections.

    Args:
        detector: what searches.
        min_score: detections below it are left out.
        min_face: so are those whose longer side is below it, in pixels.
    """

    def __init__(self, detector: FaceDetector, *, min_score: float = -np.inf, min_face: float = 0.0) -> None:
        self.name = detector.name
        self._detector = detector
        self._min_score = min_score
        self._min_face = min_face

    def detect(self, image: Array) -> Detections:
        """See `FaceDetector.detect`."""
        found = self._detector.detect(image)
        longer = (found.boxes[:, 2:] - found.boxes[:, :2]).max(axis=1, initial=0)
        return found.take((found.scores >= self._min_score) & (longer >= self._min_face))


class SharedDetector:
    """One detector for several threads: a copy per thread, or one thread at a time where it has no `copy`.

    Args:
        detector: the detector to share.
        owner: identifier of a thread that uses the detector itself, not a copy.
    """

    def __init__(self, detector: FaceDetector, owner: int | None = None) -> None:
        self.name = detector.name
        self._detector = detector
        self._own = threading.local()
        self._turn = threading.Lock()
        self._owner = owner

    def detect(self, image: Array) -> Detections:
        """See `FaceDetector.detect`."""
        if not hasattr(self._detector, "copy"):
            with self._turn:
                return self._detector.detect(image)
        if threading.get_ident() == self._owner:
            return self._detector.detect(image)
        if not hasattr(self._own, "detector"):
            self._own.detector = self._detector.copy()
        found: Detections = self._own.detector.detect(image)
        return found


def shrink_to(image: Array, long_side: int) -> tuple[Array, float]:
    """Reduce an image so that its longer side is at most `long_side`; returns it and the factor (<= 1).

    By the area of its pixels; what is more than four times too large, by halves first, which is several times faster.
    """
    height, width = image.shape[:2]
    factor = min(1.0, long_side / max(height, width))
    if factor == 1.0:
        return image, 1.0
    while max(image.shape[:2]) > 4 * long_side and not (image.shape[0] % 2 or image.shape[1] % 2):
        halves = (
            image.shape[1] // 2,
            image.shape[0] // 2,
        )  # of even sides, so that edges stay where they are
        image = np.asarray(cv2.resize(image, halves, interpolation=cv2.INTER_AREA))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA)), factor


def plausible(boxes: Array, image: Array) -> Array:
    """(N,) bool: which (N, 4) xyxy boxes are at least a pixel wide and high and overlap the image."""
    height, width = image.shape[:2]
    big = (boxes[:, 2:] - boxes[:, :2] >= 1).all(axis=1)
    return np.asarray(big & (boxes[:, :2] < (width, height)).all(axis=1) & (boxes[:, 2:] > 0).all(axis=1))


def suppress(same: Array, scores: Array) -> list[int]:
    """Greedy non-maximum suppression: indices to keep, by falling score.

    Args:
        same: (N, N) bool, whether two stand for the same face; of those the one with the higher score is kept.
        scores: (N,), higher is surer.
    """
    kept: list[int] = []
    for index in np.argsort(-scores, kind="stable"):
        if not same[index, kept].any():
            kept.append(int(index))
    return kept


def strongest(
    boxes: Array, scores: Array, min_score: float, overlap: float = 0.4, points: Array | None = None
) -> Detections:
    """The detections of at least `min_score` whose IoU with every better one is at most `overlap`.

    Args:
        boxes: (N, 4) xyxy.
        scores: (N,), higher is surer.
        min_score: see there.
        overlap: see there.
        points: (N, 5, 2) or None.
    """
    sure = np.flatnonzero(scores >= min_score)
    kept = sure[suppress(box_iou(boxes[sure], boxes[sure]) > overlap, scores[sure])]
    return Detections(boxes, scores, points).take(kept)
