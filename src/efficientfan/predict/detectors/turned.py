"""A search of turned copies of a photo, for faces that a detector finds upright only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientfan.imaging import roll_photo
from efficientfan.predict.detectors.base import (
    Detections,
    FaceDetector,
    SharedDetector,
    plausible,
    shrink_to,
    strongest,
)
from efficientfan.spec import DetectorSpec

__all__ = ["TURNS", "TurnedSearch"]

Array = NDArray[Any]

TURNS = (45, 90, 135, 180, 225, 270, 315)
"""Of the copies, in degrees counter-clockwise."""


class TurnedSearch:
    """Searches a photo upright and in turned copies, and keeps the surest of each face's detections.

    Args:
        detector: what searches each.
        enough: no turned copy is searched where a face is found upright that scores at least that; None searches them
            always.
        min_score: lowest score of what is found in a turned copy: the more copies, the more false alarms.
        long_side: of the photo in the turned copies, in pixels; None keeps the photo's.
    """

    def __init__(
        self,
        detector: FaceDetector,
        *,
        enough: float | None = None,
        min_score: float = -np.inf,
        long_side: int | None = None,
    ) -> None:
        self.name = detector.name
        self.spec: DetectorSpec | None = getattr(detector, "spec", None)
        self.detector = detector if hasattr(detector, "copy") else SharedDetector(detector)
        self.enough = enough
        self.min_score = min_score
        self.long_side = long_side

    def detect(self, image: Array) -> Detections:
        """See `FaceDetector.detect`."""
        upright = self.detector.detect(image)
        if self.enough is not None and upright.scores.max(initial=-np.inf) >= self.enough:
            return upright
        small, factor = (image, 1.0) if self.long_side is None else shrink_to(image, self.long_side)
        found = [upright, *(self._turned(small, factor, degrees) for degrees in TURNS)]
        boxes, scores = (
            np.concatenate([getattr(each, name) for each in found]) for name in ("boxes", "scores")
        )
        points = None if upright.points is None else np.concatenate([each.points for each in found])
        inside = plausible(boxes, image)
        return strongest(
            boxes[inside], scores[inside], -np.inf, points=None if points is None else points[inside]
        )

    def copy(self) -> TurnedSearch:
        """One for another thread, of the detector's own copy where it has one."""
        copy = getattr(self.detector, "copy", None)
        if copy is None:
            return self
        return TurnedSearch(copy(), enough=self.enough, min_score=self.min_score, long_side=self.long_side)

    def _turned(self, image: Array, factor: float, degrees: int) -> Detections:
        """Detections in an image that is turned, in pixels of the photo of which it is a copy, reduced by `factor`."""
        frame, transform = roll_photo(image, degrees)
        found = self.detector.detect(frame)
        found = found.take(found.scores >= self.min_score)
        boxes = (transform.inverse_of_boxes(found.boxes) + 0.5) / factor - 0.5
        points = None if found.points is None else (transform.inverse(found.points) + 0.5) / factor - 0.5
        return Detections(boxes, found.scores, points)
