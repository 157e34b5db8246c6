"""`LandmarkSchema`: the meaning of K landmarks as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efficientfan.errors import InputError, did_you_mean

__all__ = ["LandmarkSchema"]


@dataclass(frozen=True, eq=False)
class LandmarkSchema:
    """Names, mirror pairs, regions, drawing paths and normalizers of one annotation scheme.

    Left and right are the pictured person's own. Indices are 0-based. Schemas are equal (==) where all of this is.

    Attributes:
        name: short key, such as "ibug68".
        title: one line for people.
        source: the paper that defines the scheme.
        landmarks: K unique names, in order.
        flip_pairs: pairs of indices that change places in a mirrored image.
        regions: name -> indices.
        paths: polylines for drawing; a closed one repeats its first index at the end.
        normalizers: name -> two groups of indices; the normalizer is the distance between the groups' means.
        layout: K points (x, y) of a neutral face in the unit square, for the index picture; or empty.
    """

    name: str
    title: str
    source: str
    landmarks: tuple[str, ...]
    flip_pairs: tuple[tuple[int, int], ...]
    regions: Mapping[str, tuple[int, ...]]
    paths: tuple[tuple[int, ...], ...]
    normalizers: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]
    layout: tuple[tuple[float, float], ...] = ()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LandmarkSchema):
            return NotImplemented
        return self is other or self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.name, self.landmarks))

    def __repr__(self) -> str:
        return f"LandmarkSchema({self.name!r}, {len(self.landmarks)} landmarks)"

    def __post_init__(self) -> None:
        def fail(message: str) -> None:
            raise InputError(f"schema {self.name!r}: {message}")

        if not self.name or not self.landmarks:
            fail("needs a name and at least one landmark")
        duplicates = {n for n in self.landmarks if self.landmarks.count(n) > 1}
        if duplicates:
            fail(f"landmark names must be unique; repeated: {sorted(duplicates)}")
        clash = set(self.landmarks) & set(self.regions)
        if clash:
            fail(f"names stand for a landmark or a region, not both: {sorted(clash)}")
        seen: set[int] = set()
        for pair in self.flip_pairs:
            if len(pair) != 2 or pair[0] == pair[1]:
                fail(f"flip pair {list(pair)} must hold two different indices")
            for index in pair:
                self._check_index(index, "flip_pairs")
                if index in seen:
                    fail(f"index {index} stands in more than one flip pair")
                seen.add(index)
        for region, indices in self.regions.items():
            for index in indices:
                self._check_index(index, f"region {region!r}")
        for path in self.paths:
            for index in path:
                self._check_index(index, f"path {list(path)}")
        for normalizer, groups in self.normalizers.items():
            if len(groups) != 2 or not all(groups):
                fail(f"normalizer {normalizer!r} needs two groups of indices")
            for index in (*groups[0], *groups[1]):
                self._check_index(index, f"normalizer {normalizer!r}")
        if self.layout and len(self.layout) != self.n_landmarks:
            fail(f"layout has {len(self.layout)} points, not {self.n_landmarks}")
        for index, point in enumerate(self.layout):
            if len(point) != 2 or not all(0 <= value <= 1 for value in point):
                fail(f"layout point {index} is {list(point)}; it must be [x, y], each in [0, 1]")

    def _check_index(self, index: int, where: str) -> None:
        if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < self.n_landmarks:
            raise InputError(
                f"schema {self.name!r}: {where} names index {index!r}; valid are 0 to {self.n_landmarks - 1}"
            )

    @property
    def n_landmarks(self) -> int:
        """K, the number of landmarks."""
        return len(self.landmarks)

    @property
    def flip_indices(self) -> NDArray[np.intp]:
        """(K,) permutation: landmark i of a mirrored face was landmark `flip_indices[i]`."""
        order = np.arange(self.n_landmarks)
        for first, second in self.flip_pairs:
            order[[first, second]] = second, first
        return order

    @property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """All pairs of indices that drawing joins with a line."""
        return tuple((a, b) for path in self.paths for a, b in pairwise(path))

    def flip(self, points: ArrayLike, width: int) -> NDArray[Any]:
        """Points (..., K, 2) of a face as they stand in the mirrored image of `width` pixels."""
        mirrored = np.array(points, dtype=np.float64)[..., self.flip_indices, :]
        mirrored[..., 0] = width - 1 - mirrored[..., 0]
        return mirrored

    def indices_of(self, name: str) -> list[int]:
        """Indices of a landmark or a region.

        Raises:
            InputError: no landmark or region has this name.
        """
        if name in self.landmarks:
            return [self.landmarks.index(name)]
        if name in self.regions:
            return list(self.regions[name])
        raise InputError(
            f"schema {self.name!r} has no landmark or region {name!r}; regions: {', '.join(self.regions)}"
        )

    def to_dict(self) -> dict[str, Any]:
        """The table as it stands in a schema file."""
        table = {
            "name": self.name,
            "title": self.title,
            "source": self.source,
            "landmarks": list(self.landmarks),
            "flip_pairs": [list(pair) for pair in self.flip_pairs],
            "regions": {name: list(indices) for name, indices in self.regions.items()},
            "paths": [list(path) for path in self.paths],
            "normalizers": {n: [list(a), list(b)] for n, (a, b) in self.normalizers.items()},
        }
        return {**table, "layout": [list(point) for point in self.layout]} if self.layout else table

    @classmethod
    def from_dict(cls, table: Any, where: str = "schema") -> LandmarkSchema:
        """Build a schema from a JSON-like table (the inverse of `to_dict`).

        The key `normalizers` may also be spelled `normalisers`, as in files of version 0.1.

        Raises:
            InputError: a key is missing, unknown or of a wrong type, or the table contradicts itself.
        """
        if not isinstance(table, Mapping):
            raise InputError(f"{where}: a schema is a JSON object, not {type(table).__name__}")
        if "normalisers" in table and "normalizers" not in table:
            table = {("normalizers" if key == "normalisers" else key): value for key, value in table.items()}
        required = {"name", "landmarks", "flip_pairs"}
        optional = {"title", "source", "regions", "paths", "normalizers", "layout"}
        missing, unknown = sorted(required - set(table)), sorted(set(table) - required - optional, key=str)
        if missing or unknown:
            faults = [f"missing keys {missing}"] if missing else []
            faults += [f"unknown key {key!r};{did_you_mean(key, required | optional)}" for key in unknown]
            raise InputError(f"{where}: {', '.join(faults)}".rstrip(";"))
        try:
            return cls(
                name=_text(table["name"]),
                title=_text(table.get("title", "")),
                source=_text(table.get("source", "")),
                landmarks=tuple(_text(name) for name in _sequence(table["landmarks"])),
                flip_pairs=tuple(tuple(_sequence(pair)) for pair in _sequence(table["flip_pairs"])),
                regions={_text(k): tuple(_sequence(v)) for k, v in dict(table.get("regions", {})).items()},
                paths=tuple(tuple(_sequence(path)) for path in _sequence(table.get("paths", []))),
                normalizers={
                    _text(k): tuple(tuple(_sequence(group)) for group in _sequence(v))  # type: ignore[misc]  # two groups: checked at construction
                    for k, v in dict(table.get("normalizers", {})).items()
                },
                layout=tuple(tuple(_sequence(point)) for point in _sequence(table.get("layout", []))),
            )
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        except (TypeError, ValueError) as error:
            raise InputError(f"{where}: {error}") from error


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, got {value!r}")
    return value


def _sequence(value: Any) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise TypeError(f"expected a list, got {value!r}")
    return list(value)
