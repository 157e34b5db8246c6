"""`Located`: what a model or a tool says of the faces of a test set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientfan.schema import LandmarkSchema, get_conversion

__all__ = ["Located", "convert_scores"]

Array = NDArray[Any]


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


def convert_scores(scores: Array, source: LandmarkSchema, target: LandmarkSchema) -> Array:
    """Scores (K_source,) as (K_target,): the least sure of a group speaks for its mean (`convert_points`).

    Raises:
        InputError: no such conversion.
    """
    groups = get_conversion(source, target).means_of
    return np.array([scores[list(indices)].min() for indices in groups])
