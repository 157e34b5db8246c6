"""YuNet (Wu, Peng and Yu, Machine Intelligence Research 2023) in OpenCV: finds profiles too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from efficientfan.geometry import BoxCorrection
from efficientfan.predict.detectors.base import Detections, plausible, shrink_to
from efficientfan.predict.fetch import fetched

__all__ = ["YuNetDetector"]

Array = NDArray[Any]

# Medians over training photos; benchmarks/detection/fit_boxes.py prints them.
CORRECTION = BoxCorrection(shift=(0.0, 0.128), scale=(1.029, 0.77))


class YuNetDetector:
    """OpenCV's `FaceDetectorYN`.

    Args:
        model: the model file; None takes the one that `efficientfan models fetch yunet` stored.
        long_side: longer side, in pixels, of the reduced copy that is searched; if it has no face, a copy of half that
            size is searched, since YuNet misses faces that fill the picture.
        min_score: lowest score of a detection, in [0, 1].

    Raises:
        MissingDependencyError: the model file has not been fetched.
        InputError: the fetched file is damaged.
    """

    name = "yunet"
    LONG_SIDE = 640
    MIN_SCORE = 0.5

    def __init__(
        self, model: str | Path | None = None, long_side: int = LONG_SIDE, min_score: float = MIN_SCORE
    ) -> None:
        self.path = fetched("yunet") if model is None else Path(model)
        self.long_side = long_side
        self.min_score = min_score
        level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
        try:  # OpenCV 5 warns here about its own choice of engine
            self._net = cv2.FaceDetectorYN.create(str(self.path), "", (320, 320), min_score, 0.3, 500)
        finally:
            cv2.utils.logging.setLogLevel(level)

    def detect(self, image: Array) -> Detections:
        """The faces of an H x W x 3 uint8 RGB image."""
        for long_side in (self.long_side, self.long_side // 2):
            small, factor = shrink_to(image, long_side)
            boxes, scores, points = self.raw(small)
            kept = plausible(boxes, small)  # in images a few pixels wide YuNet reports boxes far outside
            boxes, scores, points = boxes[kept], scores[kept], points[kept]
            if len(boxes):
                break
        # Its coordinates count from the outer edge of pixel 0, ours from its center.
        return Detections(CORRECTION.apply(boxes) / factor - 0.5, scores, points / factor - 0.5)

    def copy(self) -> YuNetDetector:
        """A detector of the same settings, for another thread."""
        return YuNetDetector(self.path, self.long_side, self.min_score)

    def raw(self, image: Array) -> tuple[Array, Array, Array]:
        """Boxes (N, 4), scores (N,) and points (N, 5, 2) of an H x W x 3 RGB image, in OpenCV's pixels."""
        self._net.setInputSize((image.shape[1], image.shape[0]))
        _, found = self._net.detect(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        rows = np.zeros((0, 15)) if found is None else np.asarray(found, dtype=np.float64)
        return (
            np.column_stack([rows[:, :2], rows[:, :2] + rows[:, 2:4]]),
            rows[:, 14],
            rows[:, 4:14].reshape(-1, 5, 2),
        )
