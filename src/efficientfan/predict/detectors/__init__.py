"""Face detectors, one a module, and the choice among them."""

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


def open_detector(
    name: str = "auto", threads: int | None = None, *, min_score: float | None = None
) -> FaceDetector:
    """A detector by name, one of `DETECTORS`, or from the file of one of ours (`.onnx`).

    "auto" is facefinder, which rides in the package. `threads` are the processor threads of its network, None all
    cores; OpenCV's detectors take what OpenCV is set to. `min_score` replaces the detector's own threshold.

    Raises:
        InputError: an unknown name, or a damaged model file.
        MissingDependencyError: the detector's model file, or a part of OpenCV, is not there.
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
    raise InputError(f"unknown detector {name!r}; known are {', '.join(DETECTORS)}, or an .onnx file of ours")
