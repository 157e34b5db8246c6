"""Error per landmark and per region, over labeled points only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efficientfan.errors import InputError

__all__ = ["masked_mean", "per_landmark", "per_region"]

Array = NDArray[Any]


def masked_mean(values: ArrayLike, axis: int) -> Array:
    """Mean over an axis without its NaN entries; NaN (and no warning) where nothing is left.

    >>> masked_mean([[1.0, float("nan")], [3.0, float("nan")]], axis=0).tolist()
    [2.0, nan]
    """
    array = np.asarray(values, dtype=np.float64)
    counted = ~np.isnan(array)
    count = counted.sum(axis=axis)
    total = np.where(counted, array, 0.0).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def per_landmark(errors: ArrayLike) -> Array:
    """Mean error of each landmark over the samples that label it: (N, K) -> (K,), NaN if none does.

    Args:
        errors: (N, K) distances divided by each sample's length, NaN where masked.
    """
    return masked_mean(_matrix(errors), axis=0)


def per_region(errors: ArrayLike, regions: Mapping[str, Sequence[int]]) -> dict[str, float]:
    """NME of each region: for every sample the mean over the region's labeled points, then over samples.

    Args:
        errors: (N, K), as for `per_landmark`.
        regions: name -> landmark indices, such as `LandmarkSchema.regions`.

    >>> per_region([[0.1, 0.3, 0.5], [0.1, float("nan"), 0.5]], {"eye": (0, 1), "nose": (2,)})
    {'eye': 0.15000000000000002, 'nose': 0.5}
    """
    array = _matrix(errors)
    return {
        name: float(masked_mean(masked_mean(array[:, list(indices)], axis=1), axis=0))
        for name, indices in regions.items()
    }


def _matrix(errors: ArrayLike) -> Array:
    array = np.asarray(errors, dtype=np.float64)
    if array.ndim != 2:
        raise InputError(f"landmark errors must have shape (N, K), not {array.shape}")
    return array
