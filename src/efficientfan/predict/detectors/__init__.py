"""Face detectors, one per module, and the choice among them."""

from __future__ import annotations

from efficientfan.errors import InputError
from efficientfan.predict.detectors.base import (
    AboveScore,
    Detections,
    FaceDetector,
    SharedDetector,
    WholeImageDetector,
)
from efficientfan.predict.detectors.facefinder import FaceFinder
from efficientfan.predict.detectors.haar import HaarDetector
from efficientfan.predict.detectors.yunet import YuNetDetector
from efficientfan.weights import find_detector

__all__ = [
    "DETECTORS",
    "Detections",
    "FaceDetector",
    "FaceFinder",
    "HaarDetector",
    "SharedDetector",
    "WholeImageDetector",
    "YuNetDetector",
    "open_detector",
]

DETECTORS = ("auto", "facefinder", "yunet", "haar", "whole")
"""The detectors by name."""


def open_detector(
    name: str = "auto", threads: int | None = None, *, min_score: float | None = None
) -> FaceDetector:
    """A detector by name, or from a file.

    Args:
        name: one of `DETECTORS`, or the path of an `.onnx` detector of `efficientfan export`. "auto" is facefinder,
            which is part of the package.
        threads: processor threads of its network; None takes all cores. OpenCV's detectors use OpenCV's setting.
        min_score: lowest score of a detection; None takes the detector's own.

    Raises:
        InputError: an unknown name, or a damaged model file.
        MissingDependencyError: the detector's model file, or a part of OpenCV, is not available.
    """
    if name in ("auto", "facefinder"):
        return FaceFinder(find_detector("facefinder"), threads=threads, min_score=min_score)
    if name == "yunet":
        return YuNetDetector() if min_score is None else YuNetDetector(min_score=min_score)
    if name in ("haar", "whole"):
        detector = HaarDetector() if name == "haar" else WholeImageDetector()
        return detector if min_score is None else AboveScore(detector, min_score)
    if name.endswith(".onnx"):
        return FaceFinder(name, threads=threads, min_score=min_score)
    raise InputError(
        f"unknown detector {name!r}; known are {', '.join(DETECTORS)}, or an .onnx detector file"
    )
