"""One detector for several threads."""

from __future__ import annotations

import threading
from typing import Any

from numpy.typing import NDArray

from efficientfan.predict.detectors.base import Detections, FaceDetector

__all__ = ["SharedDetector"]


class SharedDetector:
    """Each thread searches with a copy of its own; a detector that has no `copy` is used by one thread at a time.

    Args:
        detector: what to search with.
    """

    def __init__(self, detector: FaceDetector) -> None:
        self.name = detector.name
        self._detector = detector
        self._own = threading.local()
        self._turn = threading.Lock()

    def detect(self, image: NDArray[Any]) -> Detections:
        """See `FaceDetector.detect`."""
        if not hasattr(self._detector, "copy"):
            with self._turn:
                return self._detector.detect(image)
        if not hasattr(self._own, "detector"):
            self._own.detector = self._detector.copy()
        found: Detections = self._own.detector.detect(image)
        return found
