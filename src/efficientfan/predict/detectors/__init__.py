"""Face detectors, one per file, and the choice among them."""

from __future__ import annotations

import logging

from efficientfan.errors import InputError
from efficientfan.predict.detectors.base import BoxCorrection, Detections, FaceDetector
from efficientfan.predict.detectors.haar import HaarDetector
from efficientfan.predict.detectors.whole import WholeImageDetector
from efficientfan.predict.detectors.yunet import YuNetDetector
from efficientfan.predict.fetch import is_fetched

__all__ = [
    "DETECTORS",
    "BoxCorrection",
    "Detections",
    "FaceDetector",
    "HaarDetector",
    "WholeImageDetector",
    "YuNetDetector",
    "build_detector",
]

DETECTORS = ("auto", "yunet", "haar", "whole")

_LOG = logging.getLogger(__name__)


def build_detector(name: str = "auto") -> FaceDetector:
    """A detector by name, one of `DETECTORS`.

    "auto" takes YuNet where it has been fetched, else the cascades, and logs which. A fetched file that is
    damaged is an error, not a reason to take the weaker one.

    Raises:
        InputError: an unknown name, or a damaged model file.
        MissingDependencyError: the detector's model file is not there.
    """
    if name == "auto":
        if is_fetched("yunet"):
            _LOG.info("detector: yunet")
            return YuNetDetector()
        _LOG.warning("detector: haar; `efficientfan models fetch yunet` gets one that finds more faces")
        return HaarDetector()
    if name == "yunet":
        return YuNetDetector()
    if name == "haar":
        return HaarDetector()
    if name == "whole":
        return WholeImageDetector()
    raise InputError(f"unknown detector {name!r}; known are {', '.join(DETECTORS)}")
