"""`Located`: what a model or a tool says of the faces of a test set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Located"]

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
