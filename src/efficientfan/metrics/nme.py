"""Normalized mean error (NME), and the lengths it is normalized by.

All errors of this package are fractions (0.0351); tables print them as percent (3.51 %).
Shapes: N samples, K landmarks; points are (N, K, 2), (x, y) in image pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efficientfan.errors import InputError
from efficientfan.schema import LandmarkSchema

__all__ = [
    "box_diagonal",
    "box_size",
    "check_lengths",
    "interocular",
    "interpupil",
    "nme",
    "pair_distance",
    "point_distances",
]

Array = NDArray[Any]


def point_distances(points: ArrayLike, truth: ArrayLike, mask: ArrayLike | None = None) -> Array:
    """Euclidean distance of each predicted point from the truth: (N, K) pixels.

    NaN where the point is masked or not labeled (NaN in `truth`); infinity where a labeled point was not
    predicted (not finite in `points`), so that a missed face never scores better than a bad one.

    Args:
        points: (N, K, 2) predicted.
        truth: (N, K, 2), NaN where unlabeled.
        mask: (N, K) bool, False where a point is left out; None takes every labeled point.

    >>> point_distances([[[3, 4], [0, 0]]], [[[0, 0], [float("nan"), 0]]]).tolist()
    [[5.0, nan]]

    Raises:
        InputError: the shapes do not agree.
    """
    predicted, expected = np.asarray(points, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if expected.ndim != 3 or expected.shape[2] != 2 or predicted.shape != expected.shape:
        raise InputError(
            f"points and truth must both have shape (N, K, 2), not {predicted.shape} and {expected.shape}"
        )
    counted = np.asarray(np.isfinite(expected).all(axis=2))
    if mask is not None:
        chosen = np.asarray(mask, dtype=bool)
        if chosen.shape != counted.shape:
            raise InputError(f"mask must have shape {counted.shape}, not {chosen.shape}")
        counted &= chosen
    missing = ~np.asarray(np.isfinite(predicted).all(axis=2))
    apart = np.where((counted & ~missing)[..., None], predicted - expected, 0.0)
    distances = np.asarray(np.hypot(apart[..., 0], apart[..., 1]))
    return np.asarray(np.where(counted, np.where(missing, np.inf, distances), np.nan))


def nme(points: ArrayLike, truth: ArrayLike, lengths: ArrayLike, mask: ArrayLike | None = None) -> Array:
    """NME of each sample, the mean distance of its labeled points divided by its length: (N,) fractions.

    The NME of a data set is the mean of this over its samples.

    Args:
        points, truth, mask: as for `point_distances`.
        lengths: (N,) pixels, such as `interocular(truth, schema)`.

    >>> truth = [[[0, 0], [10, 0]], [[0, 0], [20, 0]]]
    >>> points = [[[0, 1], [10, 0]], [[0, 0], [20, 4]]]
    >>> nme(points, truth, lengths=[10, 20]).tolist()
    [0.05, 0.1]
    >>> nme(points, truth, lengths=[10, 20], mask=[[True, False], [True, True]]).tolist()
    [0.1, 0.1]

    Raises:
        InputError: shapes that do not agree, a degenerate length, or a sample without a labeled point.
    """
    distances = point_distances(points, truth, mask)
    counted = ~np.isnan(distances)
    empty = np.flatnonzero(~counted.any(axis=1))
    if len(empty):
        raise InputError(
            f"sample {empty[0]} has no labeled landmark to measure; leave it out or correct its labels"
        )
    means = np.where(counted, distances, 0.0).sum(axis=1) / counted.sum(axis=1)
    return np.asarray(means / check_lengths(lengths, len(means)))


def check_lengths(
    lengths: ArrayLike, count: int, *, normalizer: str = "normalizer", names: Sequence[str] | None = None
) -> Array:
    """Normalizing lengths as (count,) float64, refused where the error would be undefined or infinite.

    Raises:
        InputError: a wrong shape, or a length that is zero, negative or not finite; it names the sample.
    """
    array = np.asarray(lengths, dtype=np.float64)
    if array.shape != (count,):
        raise InputError(f"{normalizer} lengths must have shape ({count},), not {array.shape}")
    bad = np.flatnonzero(~(np.isfinite(array) & (array > 1e-6)))
    if len(bad):
        name = f"sample {names[bad[0]]!r}" if names is not None else f"sample {bad[0]}"
        raise InputError(
            f"{name}: its {normalizer} length is {array[bad[0]]:g} pixels, so its error is undefined "
            f"({len(bad)} such of {count}); correct its labels or choose another normalizer, such as box"
        )
    return array


def pair_distance(truth: ArrayLike, groups: tuple[Sequence[int], Sequence[int]]) -> Array:
    """Distance between the mean points of two groups of landmarks: (N,) pixels, NaN where one is unlabeled.

    >>> pair_distance([[[0, 0], [2, 0], [4, 4]]], ((0, 1), (2,))).tolist()
    [5.0]
    """
    array = np.asarray(truth, dtype=np.float64)
    first, second = (array[:, list(group)].mean(axis=1) for group in groups)
    return np.asarray(np.hypot(*(first - second).T))


def interocular(truth: ArrayLike, schema: LandmarkSchema) -> Array:
    """Distance between the outer eye corners (Sagonas et al., IMAVIS 2016; WFLW, CVPR 2018): (N,) pixels.

    Raises:
        InputError: the schema names no such pair.
    """
    return pair_distance(truth, _groups(schema, "interocular"))


def interpupil(truth: ArrayLike, schema: LandmarkSchema) -> Array:
    """Distance between the eye centers (for iBUG-68 the means of each eye's six points): (N,) pixels.

    Raises:
        InputError: the schema names no such groups.
    """
    return pair_distance(truth, _groups(schema, "interpupil"))


def box_size(boxes: ArrayLike) -> Array:
    """Square root of width times height of (N, 4) xyxy boxes: (N,) pixels.

    >>> box_size([[0, 0, 4, 9]]).tolist()
    [6.0]
    """
    array = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    return np.asarray(np.sqrt(np.prod(array[:, 2:] - array[:, :2], axis=1)))


def box_diagonal(boxes: ArrayLike) -> Array:
    """Length of the diagonal of (N, 4) xyxy boxes: (N,) pixels.

    >>> box_diagonal([[0, 0, 3, 4]]).tolist()
    [5.0]
    """
    array = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    return np.asarray(np.hypot(*(array[:, 2:] - array[:, :2]).T))


def _groups(schema: LandmarkSchema, name: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    if name not in schema.normalizers:
        known = ", ".join([*schema.normalizers, "box", "diagonal"])
        raise InputError(f"schema {schema.name!r} has no normalizer {name!r}; it has {known}")
    return schema.normalizers[name]
