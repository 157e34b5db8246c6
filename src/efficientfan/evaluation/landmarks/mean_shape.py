"""The mean-shape baseline: the mean training face, placed in each box, without using any pixel of the photo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientfan.errors import InputError
from efficientfan.metrics.breakdown import masked_mean
from efficientfan.structures import Annotation

__all__ = ["fit_mean_shape", "place_shape"]

Array = NDArray[Any]


def fit_mean_shape(annotations: Sequence[Annotation], boxes: Array, *, complete: bool = True) -> Array:
    """Mean of the points in their boxes' coordinates, (0, 0) top left to (1, 1) bottom right: (K, 2).

    Args:
        annotations: N faces, of a training split.
        boxes: (N, 4) xyxy.
        complete: refuse a landmark that no face labels; otherwise it is NaN.

    Raises:
        InputError: no faces, or (if `complete`) a landmark that none of them labels.
    """
    if not annotations:
        raise InputError("a mean shape needs at least one training face")
    points = np.stack([annotation.points for annotation in annotations])
    size = (boxes[:, 2:] - boxes[:, :2])[:, None]
    shape = masked_mean((points - boxes[:, None, :2]) / size, axis=0)
    if complete and np.isnan(shape).any():
        raise InputError(f"landmark {int(np.argwhere(np.isnan(shape))[0, 0])} is labeled in no training face")
    return shape


def place_shape(shape: Array, boxes: Array) -> Array:
    """A (K, 2) shape in box coordinates placed in (N, 4) boxes: (N, K, 2) image pixels."""
    return np.asarray(boxes[:, None, :2] + shape * (boxes[:, 2:] - boxes[:, :2])[:, None])
