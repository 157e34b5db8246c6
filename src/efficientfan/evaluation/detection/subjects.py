"""What can be evaluated as a face detector: the detectors themselves, and the whole predictor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientfan.predict import LandmarkPredictor
from efficientfan.predict.detectors import (
    Detections,
)
from efficientfan.predict.fetch import fetched
from efficientfan.weights import find_detector

__all__ = ["PredictorAsDetector", "detector_file"]

Array = NDArray[Any]


class PredictorAsDetector:
    """A predictor used as a detector: the tight boxes of its landmarks, with the mean landmark score.

    Args:
        predictor: drops faces of low score and duplicates.
        min_score: lowest score of a face, in [0, 1]; None takes the model's own.
    """

    def __init__(self, predictor: LandmarkPredictor, min_score: float | None = None) -> None:
        self.predictor = predictor
        self.min_score = min_score

    @property
    def name(self) -> str:
        """Detector and landmark model."""
        return f"{self.predictor.detector.name}+{self.predictor.spec.name}"

    def detect(self, image: Array) -> Detections:
        """The faces of an H x W x 3 uint8 RGB image."""
        faces = self.predictor(image, min_score=self.min_score)
        boxes = [face.tight_box for face in faces]
        return Detections(np.reshape(boxes, (-1, 4)), np.array([face.score for face in faces]))


def detector_file(name: str) -> Path | None:
    """The model file of a detector of `open_detector`; None where it has none.

    Raises:
        InputError: it is damaged.
        MissingDependencyError: it has not been fetched.
    """
    if name in ("auto", "facefinder"):
        return find_detector("facefinder")
    if name == "yunet":
        return fetched("yunet")
    return Path(name) if name.endswith(".onnx") else None
