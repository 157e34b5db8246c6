"""The cascades of Viola and Jones (CVPR 2001) in OpenCV 4: no file to fetch; weak on turned faces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from efficientfan.errors import MissingDependencyError
from efficientfan.geometry import BoxCorrection, box_iou
from efficientfan.predict.detectors.base import Detections, shrink_to, suppress

__all__ = ["HaarDetector"]

Array = NDArray[Any]

# Medians over training photos; benchmarks/detection/fit_boxes.py prints them.
FRONTAL = BoxCorrection(shift=(0.0, 0.157), scale=(0.858, 0.853))
PROFILE = BoxCorrection(shift=(0.03, 0.148), scale=(0.738, 0.742))  # of faces that look to the picture's left
CORRECTIONS = {"frontal": FRONTAL, "profile": PROFILE, "mirrored": PROFILE.mirrored()}


class HaarDetector:
    """OpenCV's frontal (alt2) and profile cascades, the latter also on the mirrored image.

    Args:
        long_side: longer side, in pixels, of the reduced gray copy that is searched.
        min_face: smallest face to find, as a share of the copy's longer side.

    Raises:
        MissingDependencyError: this OpenCV has no cascades (OpenCV 5).
    """

    name = "haar"

    def __init__(self, long_side: int = 480, min_face: float = 0.05) -> None:
        self.long_side = long_side
        self.min_face = min_face
        self._frontal = _cascade("haarcascade_frontalface_alt2.xml")
        self._profile = _cascade("haarcascade_profileface.xml")

    def detect(self, image: Array) -> Detections:
        """The faces of an H x W x 3 uint8 RGB image."""
        small, factor = shrink_to(image, self.long_side)
        found = self.raw(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY))
        boxes = np.concatenate([CORRECTIONS[kind].apply(boxes) for kind, (boxes, _) in found.items()])
        scores = np.concatenate([scores for _, scores in found.values()])
        # The frontal cascade scores far above the profile one, so its better box is kept.
        kept = suppress(box_iou(boxes, boxes) > 0.3, scores)
        # A cascade's box counts from the outer edge of pixel 0, ours from its center.
        return Detections(boxes[kept] / factor - 0.5, scores[kept])

    def copy(self) -> HaarDetector:
        """A detector of the same settings, for another thread."""
        return HaarDetector(self.long_side, self.min_face)

    def raw(self, gray: Array) -> dict[str, tuple[Array, Array]]:
        """The output of each cascade on an H x W uint8 image: boxes (N, 4) in OpenCV's pixels, scores (N,)."""
        mirrored, scores = _search(self._profile, np.ascontiguousarray(gray[:, ::-1]), 3, self.min_face)
        mirrored[:, [0, 2]] = gray.shape[1] - mirrored[:, [2, 0]]
        return {
            "frontal": _search(self._frontal, gray, 3, self.min_face),
            "profile": _search(self._profile, gray, 3, self.min_face),
            "mirrored": (mirrored, scores),
        }


def _search(
    cascade: cv2.CascadeClassifier, gray: Array, neighbors: int, min_face: float
) -> tuple[Array, Array]:
    side = max(20, round(min_face * max(gray.shape)))
    found, _, weights = cascade.detectMultiScale3(
        gray, scaleFactor=1.1, minNeighbors=neighbors, minSize=(side, side), outputRejectLevels=True
    )
    boxes = np.asarray(found, dtype=np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return boxes, np.asarray(weights, dtype=np.float64).reshape(-1)


def _cascade(name: str) -> cv2.CascadeClassifier:
    folder = getattr(getattr(cv2, "data", None), "haarcascades", None)
    if folder is None or not hasattr(cv2, "CascadeClassifier") or not Path(folder, name).is_file():
        raise MissingDependencyError(
            f"this OpenCV ({cv2.__version__}) carries no {name}; pip install 'opencv-python-headless>=4.9,<5'"
        )
    return cv2.CascadeClassifier(str(Path(folder, name)))
