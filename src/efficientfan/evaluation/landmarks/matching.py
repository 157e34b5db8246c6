"""Matching of reported faces to annotated ones, and the landmarks of a test set that result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientfan.errors import InputError
from efficientfan.geometry import box_iou, box_of_points

__all__ = ["MIN_IOU", "PredictedLandmarks", "ReportedFace", "match_faces"]

Array = NDArray[Any]

MIN_IOU = 0.1
"""Below this IoU with the annotated face, a reported face does not match it."""


@dataclass(frozen=True)
class ReportedFace:
    """A face that a model or tool reported.

    Attributes:
        points: (K, 2) float, (x, y) in image pixels.
        box: (4,) xyxy image pixels that the tool looked in, or None.
        scores: (K,) confidence of each landmark, or None.
        visibility: (K,) uint8 flags as in `Annotation`, or None.
    """

    points: Array
    box: Array | None = None
    scores: Array | None = None
    visibility: Array | None = None


@dataclass(frozen=True)
class PredictedLandmarks:
    """Predicted landmarks of the N faces of a test set, in its order.

    Attributes:
        points: (N, K, 2) float64, (x, y) in image pixels; NaN throughout for a missed face.
        scores: (N, K) float64, confidence of each landmark; NaN throughout where a face is missed or has no scores.

    Raises:
        InputError: arrays of other shapes.
    """

    points: Array
    scores: Array

    def __post_init__(self) -> None:
        if self.points.ndim != 3 or self.points.shape[2] != 2 or self.scores.shape != self.points.shape[:2]:
            raise InputError(
                "predicted landmarks are points (N, K, 2) and scores (N, K), "
                f"not {self.points.shape} and {self.scores.shape}"
            )

    @classmethod
    def all_missed(cls, faces: int, landmarks: int) -> PredictedLandmarks:
        """`faces` faces of `landmarks` landmarks, all NaN: arrays to be filled."""
        return cls(np.full((faces, landmarks, 2), np.nan), np.full((faces, landmarks), np.nan))


def match_faces(reported: Sequence[ReportedFace], truth: Sequence[Array]) -> list[ReportedFace | None]:
    """The reported face that matches each annotated face of one photo, or None for a missed face.

    The overlap is the IoU with the tight box of the reported points or with the reported box, whichever is
    larger, so that poor landmarks in the right place are a large error and not a missed face. Pairs are taken
    greedily, the largest overlap first; each reported face matches at most one annotated face.

    Args:
        reported: M faces.
        truth: (K, 2) points of each annotated face, NaN where unlabeled.
    """
    found: list[ReportedFace | None] = [None] * len(truth)
    if not reported or not truth:
        return found
    expected = np.array([box_of_points(points) for points in truth])
    overlap = box_iou(expected, np.array([_tight_box(face.points) for face in reported]))
    for own, face in zip(overlap.T, reported, strict=True):
        if face.box is not None:
            own[:] = np.maximum(own, box_iou(expected, face.box)[:, 0])
    while overlap.max() >= MIN_IOU:
        row, column = divmod(int(overlap.argmax()), overlap.shape[1])
        found[row] = reported[column]
        overlap[row, :] = overlap[:, column] = -1
    return found


def _tight_box(points: Array) -> Array:
    """Tight box of the finite points; an empty one at the origin where there are none."""
    finite = points[np.isfinite(points).all(axis=1)]
    return np.concatenate([finite.min(axis=0), finite.max(axis=0)]) if len(finite) else np.zeros(4)
