"""Landmarks of one scheme as those of another, where the target is a clear function of the source.

Each conversion is a row of `conversions.json`: every target landmark is the mean of a group of source ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efficientfan.errors import InputError
from efficientfan.files import read_json
from efficientfan.schema.landmark_schema import LandmarkSchema
from efficientfan.schema.registry import get_schema

__all__ = [
    "Conversion",
    "convert_points",
    "convert_scores",
    "convert_visibility",
    "get_conversion",
    "list_conversions",
]

Array = NDArray[Any]

_FILE = Path(__file__).parent / "conversions.json"


@dataclass(frozen=True)
class Conversion:
    """How the landmarks of `target` arise from those of `source`.

    Attributes:
        source, target: schema names.
        means_of: for each target landmark the source indices whose mean it is.
        note: the choices made, for people.
    """

    source: str
    target: str
    means_of: tuple[tuple[int, ...], ...]
    note: str = ""


def list_conversions() -> list[Conversion]:
    """All conversions that are defined (a schema to itself is one too, and not listed)."""
    return list(_conversions().values())


def get_conversion(source: LandmarkSchema | str, target: LandmarkSchema | str) -> Conversion:
    """The conversion between two schemas, given as such or by name.

    Raises:
        InputError: an unknown schema, or a pair without a conversion; the message lists those that exist.
    """
    from_schema, to_schema = _schema(source), _schema(target)
    if from_schema.landmarks == to_schema.landmarks:
        same = tuple((index,) for index in range(from_schema.n_landmarks))
        return Conversion(from_schema.name, to_schema.name, same)
    conversion = _conversions().get((from_schema.name, to_schema.name))
    # A user's own schema may bear a packaged one's name; the rows are about the packaged one only.
    pair = (from_schema, to_schema)
    if conversion is None or any(schema.landmarks != get_schema(schema.name).landmarks for schema in pair):
        known = ", ".join(f"{a} -> {b}" for a, b in _conversions())
        raise InputError(
            f"no conversion {from_schema.name} -> {to_schema.name} is well defined; there are: {known}"
        )
    return conversion


def convert_points(points: ArrayLike, source: LandmarkSchema | str, target: LandmarkSchema | str) -> Array:
    """Points (..., K_source, 2) as (..., K_target, 2), float64.

    A target landmark is NaN where one of the source landmarks that it is made of is.

    Raises:
        InputError: no such conversion, or points of another number than the source schema's.
    """
    conversion, k = get_conversion(source, target), _schema(source).n_landmarks
    array = np.asarray(points, dtype=np.float64)
    if array.ndim < 2 or array.shape[-2:] != (k, 2):
        raise InputError(f"{conversion.source} points have shape (..., {k}, 2), not {array.shape}")
    array = np.where(np.isnan(array).any(axis=-1, keepdims=True), np.nan, array)
    groups = [array[..., list(indices), :].mean(axis=-2) for indices in conversion.means_of]
    return np.stack(groups, axis=-2)


def convert_visibility(
    visibility: ArrayLike, source: LandmarkSchema | str, target: LandmarkSchema | str
) -> Array:
    """Flags (..., K_source) as (..., K_target), uint8: the least visible of a group speaks for its mean.

    Raises:
        InputError: no such conversion, or flags of another number than the source schema's.
    """
    return _least_of_groups(np.asarray(visibility, dtype=np.uint8), source, target, "flags")


def convert_scores(
    scores: ArrayLike, source: LandmarkSchema | str, target: LandmarkSchema | str
) -> NDArray[np.float64]:
    """Scores (..., K_source) as (..., K_target): the least sure of a group speaks for its mean.

    Raises:
        InputError: no such conversion, or scores of another number than the source schema's.
    """
    return _least_of_groups(np.asarray(scores, dtype=np.float64), source, target, "scores")


def _least_of_groups(
    values: Array, source: LandmarkSchema | str, target: LandmarkSchema | str, what: str
) -> Array:
    conversion, k = get_conversion(source, target), _schema(source).n_landmarks
    if values.ndim < 1 or values.shape[-1] != k:
        raise InputError(f"{conversion.source} {what} have shape (..., {k}), not {values.shape}")
    groups = [values[..., list(indices)].min(axis=-1) for indices in conversion.means_of]
    return np.stack(groups, axis=-1)


def _schema(schema: LandmarkSchema | str) -> LandmarkSchema:
    return get_schema(schema) if isinstance(schema, str) else schema


@cache
def _conversions() -> dict[tuple[str, str], Conversion]:
    rows = [
        Conversion(row["source"], row["target"], tuple(map(tuple, row["means_of"])), row["note"])
        for row in read_json(_FILE)
    ]
    return {(row.source, row.target): row for row in rows}
