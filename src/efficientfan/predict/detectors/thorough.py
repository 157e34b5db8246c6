"""A search of all quarter turns of a photo, for faces that a detector finds upright only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientfan.predict.detectors.base import Detections, FaceDetector, SharedDetector, strongest
from efficientfan.spec import DetectorSpec

__all__ = ["ThoroughDetector"]

Array = NDArray[Any]


class ThoroughDetector:
    """Searches a photo and its three quarter turns, and keeps the surest of each face's detections.

    Args:
        detector: what searches each.
    """

    def __init__(self, detector: FaceDetector) -> None:
        self.name = detector.name
        self.spec: DetectorSpec | None = getattr(detector, "spec", None)
        self._detector = detector if hasattr(detector, "copy") else SharedDetector(detector)

    def detect(self, image: Array) -> Detections:
        """See `FaceDetector.detect`."""
        found = [self._turned(image, quarters) for quarters in range(4)]
        points = None if found[0].points is None else np.concatenate([each.points for each in found])
        boxes, scores = (
            np.concatenate([getattr(each, name) for each in found]) for name in ("boxes", "scores")
        )
        return strongest(boxes, scores, -np.inf, points=points)

    def copy(self) -> ThoroughDetector:
        """One for another thread, of the detector's own copy where it has one."""
        copy = getattr(self._detector, "copy", None)
        return self if copy is None else ThoroughDetector(copy())

    def _turned(self, image: Array, quarters: int) -> Detections:
        """Detections in the image turned counter-clockwise by so many quarters, in pixels of the image itself."""
        found = self._detector.detect(np.ascontiguousarray(np.rot90(image, quarters)))
        height, width = image.shape[:2]
        corners = _back(found.boxes.reshape(-1, 2, 2), quarters, width, height)  # (N, 2 corners, 2)
        boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
        points = None if found.points is None else _back(found.points, quarters, width, height)
        return Detections(boxes, found.scores, points)


def _back(points: Array, quarters: int, width: int, height: int) -> Array:
    """Points (..., 2) of `np.rot90(image, quarters)` in pixels of the image of that width and height."""
    x, y = points[..., 0], points[..., 1]
    turned = {0: (x, y), 1: (width - 1 - y, x), 2: (width - 1 - x, height - 1 - y), 3: (y, height - 1 - x)}
    return np.stack(turned[quarters], axis=-1)
