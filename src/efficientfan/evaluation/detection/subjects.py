"""What can be evaluated as a face detector: the detectors themselves, and the whole predictor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientfan.predict import LandmarkPredictor
from efficientfan.predict.detectors import (
    Detections,
    FaceDetector,
    FaceFinder,
    YuNetDetector,
    open_detector,
)
from efficientfan.predict.fetch import fetched
from efficientfan.weights import find_detector

__all__ = ["PredictorAsDetector", "detector_file", "detector_with_min_score"]

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


class _AboveScore:
    """A detector whose detections below a score are dropped."""

    def __init__(self, detector: FaceDetector, min_score: float) -> None:
        self.detector = detector
        self.min_score = min_score

    @property
    def name(self) -> str:
        return self.detector.name

    def detect(self, image: Array) -> Detections:
        found = self.detector.detect(image)
        kept = found.scores >= self.min_score
        return Detections(found.boxes[kept], found.scores[kept])


def detector_with_min_score(name: str, min_score: float | None = None) -> FaceDetector:
    """A detector by name, with another threshold on its scores than its own; None keeps its own.

    Raises:
        InputError, MissingDependencyError: as `open_detector`.
    """
    if min_score is None:
        return open_detector(name)
    path = detector_file(name)
    if path is None:
        return _AboveScore(open_detector(name), min_score)
    # The network itself returns more detections below its usual threshold.
    return (YuNetDetector if name == "yunet" else FaceFinder)(path, min_score=min_score)


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
