"""Failure rate, and the cumulative error distribution (CED) with the area under it.

Errors are (N,) fractions, one per sample; infinity is a face that was not found, and counts as a failure.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efficientfan.errors import InputError

__all__ = ["auc", "auc_values", "ced", "failure_rate", "failure_values"]

Array = NDArray[Any]


def failure_values(errors: ArrayLike, threshold: float) -> Array:
    """1.0 where a sample's error is above the threshold, else 0.0: (N,). Their mean is the failure rate."""
    return (_checked(errors, threshold) > threshold).astype(np.float64)


def failure_rate(errors: ArrayLike, threshold: float) -> float:
    """Share of samples whose error is above the threshold.

    >>> failure_rate([0.02, 0.08, 0.11, float("inf")], 0.08)
    0.5
    """
    return float(failure_values(errors, threshold).mean())


def auc_values(errors: ArrayLike, threshold: float) -> Array:
    """What each sample adds to the area under the CED: max(0, 1 - error / threshold), (N,) in [0, 1]."""
    return np.asarray(np.clip(1 - _checked(errors, threshold) / threshold, 0, None))


def auc(errors: ArrayLike, threshold: float) -> float:
    """Area under the CED from 0 to the threshold, divided by the threshold: 1 is perfect.

    Exact, without numerical integration: the CED is the mean of N steps, one at each error e, and the step at
    e covers the share max(0, 1 - e / threshold) of the interval.

    >>> auc([0.0, 0.05, 0.2], 0.10)
    0.5
    """
    return float(auc_values(errors, threshold).mean())


def ced(errors: ArrayLike, thresholds: ArrayLike) -> Array:
    """Share of samples with an error of at most each threshold: an array of the thresholds' shape.

    >>> ced([0.01, 0.02, float("inf")], [0.01, 0.015, 0.02]).round(3).tolist()
    [0.333, 0.333, 0.667]
    """
    values = np.sort(_checked(errors, 1.0))
    return np.searchsorted(values, np.asarray(thresholds, dtype=np.float64), side="right") / len(values)


def _checked(errors: ArrayLike, threshold: float) -> Array:
    array = np.asarray(errors, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise InputError(f"errors must have shape (N,) with at least one sample, not {array.shape}")
    if np.isnan(array).any() or (array < 0).any():
        raise InputError(f"sample {int(np.flatnonzero(~(array >= 0))[0])}: an error is a number >= 0")
    if not threshold > 0:
        raise InputError(f"a threshold is a positive fraction such as 0.10, not {threshold}")
    return array
