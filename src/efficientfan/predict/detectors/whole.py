"""The photo is the face: for portraits that were cut out already."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientfan.predict.detectors.base import Detections

__all__ = ["WholeImageDetector"]


class WholeImageDetector:
    """One face, as large as the image."""

    name = "whole"

    def detect(self, image: NDArray[Any]) -> Detections:
        """The box of the whole H x W x 3 image, with score 1."""
        height, width = image.shape[:2]
        return Detections(np.array([[-0.5, -0.5, width - 0.5, height - 0.5]]), np.ones(1))

    def copy(self) -> WholeImageDetector:
        """Itself: it remembers nothing, so threads may share it."""
        return self
