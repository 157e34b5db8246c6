"""Confidence intervals: seeded percentile bootstrap of means (Efron and Tibshirani, 1993).

Every metric here is a mean of one value per sample (its error, whether it failed, its share of the CED's area),
so it is enough to resample those values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efficientfan.errors import InputError

__all__ = ["Estimate", "bootstrap_mean", "paired_difference"]

Array = NDArray[Any]
_CHUNK = 1 << 22
"""Values drawn at once: bounds memory at some tens of megabytes whatever the data set's size."""


@dataclass(frozen=True)
class Estimate:
    """A mean with the ends of its confidence interval."""

    value: float
    low: float
    high: float

    def __post_init__(self) -> None:
        if not all(np.isfinite([self.value, self.low, self.high])):
            raise InputError(
                "an estimate needs finite values; leave missed faces (infinite errors) out of means"
            )


def bootstrap_mean(
    values: ArrayLike, *, resamples: int = 2000, confidence: float = 0.95, seed: int = 0
) -> Estimate:
    """Mean of (N,) values with its percentile interval; the same seed gives the same interval.

    >>> bootstrap_mean([0.25, 0.25, 0.25])
    Estimate(value=0.25, low=0.25, high=0.25)

    Raises:
        InputError: no values, a value that is not finite, or arguments out of range.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise InputError(f"values must have shape (N,) with at least one sample, not {array.shape}")
    if not np.isfinite(array).all():
        raise InputError("values must be finite; leave missed faces (infinite errors) out of means")
    if resamples < 1 or not 0 < confidence < 1:
        raise InputError(f"resamples must be >= 1 and confidence in (0, 1), not {resamples} and {confidence}")
    rng = np.random.default_rng(seed)
    rows = max(1, _CHUNK // len(array))
    means = [
        array[rng.integers(0, len(array), (min(rows, resamples - start), len(array)))].mean(axis=1)
        for start in range(0, resamples, rows)
    ]
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.concatenate(means), [tail, 1 - tail])
    return Estimate(float(array.mean()), float(low), float(high))


def paired_difference(
    first: ArrayLike, second: ArrayLike, *, resamples: int = 2000, confidence: float = 0.95, seed: int = 0
) -> Estimate:
    """Mean of first - second over the same samples, with its interval; below zero the first is smaller.

    Pairing removes the variation between photos, so it can separate models whose own intervals overlap.

    >>> paired_difference([0.03, 0.05], [0.04, 0.06]).value.__round__(6)
    -0.01

    Raises:
        InputError: the two do not have the same number of samples.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape:
        raise InputError(f"paired values belong to the same samples; shapes are {a.shape} and {b.shape}")
    return bootstrap_mean(a - b, resamples=resamples, confidence=confidence, seed=seed)
