"""Which found face answers which annotated one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientfan.geometry import box_iou, box_of_points

__all__ = [
    "MIN_IOU",
    "Candidate",
    "Located",
    "match_faces",
]

Array = NDArray[Any]

MIN_IOU = 0.1
"""A found face that overlaps the annotated one by less is another face, or none."""


@dataclass(frozen=True)
class Candidate:
    """A face that a tool reported.

    Attributes:
        points: (K, 2) image pixels.
        box: (4,) xyxy in which the tool looked, or None.
        scores: (K,) how sure it is of each landmark, or None.
    """

    points: Array
    box: Array | None = None
    scores: Array | None = None


def match_faces(candidates: Sequence[Candidate], truth: Sequence[Array]) -> list[Candidate | None]:
    """For each annotated face of one photo its candidate, or None: a missed face.

    Overlap is that of the points' tight boxes, or of the candidate's own box where that is larger, so that a
    poor result in the right place is a large error and not a missed face. Pairs are taken greedily, the
    largest overlap first; each candidate answers one face; an overlap below `MIN_IOU` answers none.

    Args:
        candidates: M faces.
        truth: (K, 2) points of each annotated face, NaN where unlabelled.
    """
    found: list[Candidate | None] = [None] * len(truth)
    if not candidates or not truth:
        return found
    expected = np.array([box_of_points(points) for points in truth])
    overlap = box_iou(expected, np.array([_span(candidate.points) for candidate in candidates]))
    for own, candidate in zip(overlap.T, candidates, strict=True):
        if candidate.box is not None:
            own[:] = np.maximum(own, box_iou(expected, candidate.box)[:, 0])
    while overlap.max() >= MIN_IOU:
        row, column = divmod(int(overlap.argmax()), overlap.shape[1])
        found[row] = candidates[column]
        overlap[row, :] = overlap[:, column] = -1
    return found


def _span(points: Array) -> Array:
    """Tight box of the finite points; an empty one at the origin where there are none."""
    finite = points[np.isfinite(points).all(axis=1)]
    return np.concatenate([finite.min(axis=0), finite.max(axis=0)]) if len(finite) else np.zeros(4)


@dataclass(frozen=True)
class Located:
    """N faces as they were located.

    Attributes:
        points: (N, K, 2) float64, (x, y) in image pixels; NaN throughout for a missed face.
        scores: (N, K) float64, how sure of each landmark; NaN throughout for a face that is missed or has none.
    """

    points: Array
    scores: Array

    @classmethod
    def nowhere(cls, faces: int, landmarks: int) -> Located:
        """N faces of K landmarks, none of them found yet: arrays to be filled."""
        return cls(np.full((faces, landmarks, 2), np.nan), np.full((faces, landmarks), np.nan))
