"""Face detectors, one per module, and the choice among them."""

from __future__ import annotations

import math
from pathlib import Path

from efficientfan.errors import InputError, check_number, check_threads, unknown
from efficientfan.predict.detectors.base import (
    Detections,
    FaceDetector,
    Filtered,
    SharedDetector,
    WholeImageDetector,
)
from efficientfan.predict.detectors.facefinder import FaceFinder
from efficientfan.predict.detectors.haar import HaarDetector
from efficientfan.predict.detectors.turned import TurnedSearch
from efficientfan.predict.detectors.yunet import YuNetDetector
from efficientfan.predict.fetch import fetched
from efficientfan.weights import find_detector

__all__ = [
    "DETECTORS",
    "Detections",
    "FaceDetector",
    "FaceFinder",
    "HaarDetector",
    "SharedDetector",
    "TurnedSearch",
    "WholeImageDetector",
    "YuNetDetector",
    "detector_file",
    "open_detector",
]

ENOUGH = 0.55
TURNED_SCORE = 0.45
TURNED_SIDE = 320
"""When and how turned copies are searched (`TurnedSearch`), chosen on rolled photos that were held out of training
(benchmarks/detection/turned.py)."""

DETECTORS = ("auto", "facefinder", "yunet", "haar", "whole")
"""The detectors by name."""


def open_detector(
    name: str = "auto",
    threads: int | None = None,
    *,
    min_score: float | None = None,
    detect_size: int | None = None,
    min_face: float | None = None,
    thorough: bool = False,
    upright: bool = False,
) -> FaceDetector:
    """A detector by name, or from a file.

    "auto" is facefinder, which is part of the package. Where it finds no sure face it searches turned copies too.

    Args:
        name: see above.
        threads: processor threads of its network, None all cores; OpenCV's detectors take what OpenCV is set to.
        min_score: replaces the detector's own threshold.
        detect_size: longer side in pixels of the copy in which an image is searched; larger finds smaller faces, and
            takes longer with its square. Not for haar and whole.
        min_face: smaller faces, in pixels of the image, are left out; facefinder chooses its copy by it.
        thorough: always search turned copies, and copies of twice the size: slow, for archives.
        upright: never search turned copies: faster where there is no face.

    Raises:
        InputError: an unknown name, a damaged model file, an option that the detector does not have, or two options
            that contradict each other.
        MissingDependencyError: the detector's model file, or a part of OpenCV, is not available.
    """
    if not isinstance(name, str):
        raise InputError(f"a detector's name is text, not {name!r}")
    check_threads(threads)
    if thorough and upright:
        raise InputError("a thorough search turns the photo, an upright one does not; leave one of them out")
    lowest, highest = (-math.inf, math.inf) if name == "haar" else (0, 1)  # the cascades score as they like
    for option, value, least, most in (
        ("detect_size", detect_size, 32, math.inf),
        ("min_face", min_face, 1, math.inf),
        ("min_score", min_score, lowest, highest),
    ):
        if value is not None:
            check_number(option, value, least, most, whole=option == "detect_size")
    if name in ("auto", "facefinder") or name.endswith(".onnx"):
        finder = FaceFinder(
            detector_file(name) or name, threads=threads, min_score=min_score, min_face=min_face
        )
        largest, *smaller = sorted(finder.long_sides, reverse=True)
        largest = (detect_size or largest) * (2 if thorough else 1)
        finder.long_sides = (largest, *(side for side in smaller if side < largest))
        if upright:
            return finder
        if thorough:
            return TurnedSearch(finder)
        return TurnedSearch(finder, enough=ENOUGH, min_score=TURNED_SCORE, long_side=TURNED_SIDE)
    if name == "yunet":
        side = (detect_size or YuNetDetector.LONG_SIDE) * (2 if thorough else 1)
        yunet = YuNetDetector(
            long_side=side, min_score=YuNetDetector.MIN_SCORE if min_score is None else min_score
        )
        detector: FaceDetector = TurnedSearch(yunet) if thorough else yunet
    elif name in ("haar", "whole"):
        if detect_size is not None or thorough:
            raise InputError(f"detector {name!r} has neither detect_size nor a thorough search")
        detector = HaarDetector() if name == "haar" else WholeImageDetector()
        if min_score is not None:
            detector = Filtered(detector, min_score=min_score)
    else:
        raise unknown("detector", name, DETECTORS, "an .onnx detector file")
    return detector if min_face is None else Filtered(detector, min_face=min_face)


def detector_file(name: str) -> Path | None:
    """The file that holds a detector's weights, by the detector's name or path; None where it has none of its own.

    Raises:
        MissingDependencyError: it has not been fetched.
    """
    if name.endswith(".onnx"):
        return Path(name)
    if name == "yunet":
        return fetched("yunet")
    return find_detector("facefinder") if name in ("auto", "facefinder") else None
