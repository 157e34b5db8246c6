"""What the formats share: lines, numbers whose errors name the place, and the images of a list file."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from efficientfan.errors import InputError
from efficientfan.files import looked_in, read_text
from efficientfan.geometry import as_boxes
from efficientfan.structures import Annotation

__all__ = [
    "LARGEST",
    "ListContent",
    "boxes_at",
    "find_image",
    "is_scalar",
    "numbers",
    "read_lines",
    "relative_path",
    "split_file",
    "stable_name",
    "unique_name",
]

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)  # float() also takes 1_0 and nan
LARGEST = 1e6
"""Pixels; a larger coordinate is taken for damage, not for a face outside the photo."""


@dataclass
class ListContent:
    """What a list file holds, sound and damaged.

    Attributes:
        faces: that could be read, in the file's order.
        without_face: number of its entries that say of a photo that it has no face.
        errors: what is wrong with the others, as the reader's error would say it.
    """

    faces: list[Annotation] = field(default_factory=list)
    without_face: int = 0
    errors: list[str] = field(default_factory=list)

    def sound(self) -> list[Annotation]:
        """The faces.

        Raises:
            InputError: an entry is damaged.
        """
        if self.errors:
            raise InputError(self.errors[0])
        return self.faces


def read_lines(path: str | Path) -> list[str]:
    """Stripped lines of a UTF-8 text file; errors as `files.read_text`."""
    return [line.strip() for line in read_text(path).split("\n")]


def numbers(
    path: str | Path, line: int, tokens: Sequence[str], expected: int, columns: Sequence[str] = ()
) -> list[float]:
    """Parse `expected` finite numbers.

    Args:
        path, line: where they stand, for messages.
        tokens: the numbers as text.
        expected: how many.
        columns: their names, for messages, where they have any.

    Raises:
        InputError: another count, letters, NaN or infinity, or a value beyond `LARGEST`; names file and line.
    """
    if len(tokens) != expected:
        raise InputError(f"{path}: line {line}: expected {expected} numbers, found {len(tokens)}")
    values = []
    for index, token in enumerate(tokens):
        where = f"{path}: line {line}: " + (f"{columns[index]}: " if columns else "")
        if not _NUMBER.fullmatch(token):
            raise InputError(f"{where}{token[:40]!r} is not a number")
        values.append(float(token))
        if abs(values[-1]) > LARGEST:
            raise InputError(f"{where}{token[:40]!r} is not a pixel coordinate")
    return values


def is_scalar(value: object) -> TypeGuard[str | int | float | bool]:
    """Whether a value from JSON can be an attribute: text, a finite number, true or false."""
    return isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))


def unique_name(name: str, seen: set[str]) -> str:
    """`name`, or `name#2`, `name#3`, ... where it is in `seen` already; adds what it returns to `seen`."""
    unique, count = name, 1
    while unique in seen:
        count += 1
        unique = f"{name}#{count}"
    seen.add(unique)
    return unique


def split_file(root: Path, split: str, suffix: str) -> Path:
    """The list file of a split: `root` itself, or `SPLIT<suffix>` in it or in its `annotations/`.

    Raises:
        InputError: neither is there.
    """
    if root.suffix.lower() == suffix:
        if not root.is_file():
            raise InputError(f"{root}: no such file{looked_in(root)}")
        if split not in ("all", root.stem):
            raise InputError(f"{root}: is one file; its split is 'all', not {split!r}")
        return root
    for path in (root / f"{split}{suffix}", root / "annotations" / f"{split}{suffix}"):
        if path.is_file():
            return path
    raise InputError(
        f"{root}: has no {split}{suffix}{looked_in(root)}; give the {suffix} file, or its folder"
    )


def find_image(table: Path, name: str, where: str) -> Path:
    """The image that a list file names.

    A relative path is looked for from `images/` beside the file, from the file's folder, from `images/` beside that
    folder, from a folder that is called as the file without suffix, and from the current folder, in this order.
    An absolute path must lie below the file's folder.

    Raises:
        InputError: no such image, or an absolute path to elsewhere.
    """
    if not name or "\0" in name or (_is_absolute(name) and _below(table, name) is None):
        raise InputError(
            f"{where}: image name {name!r} must be a path relative to the list file, or below it"
        )
    beside = table.parent
    for folder in (beside / "images", beside, beside.parent / "images", beside / table.stem, Path()):
        try:
            if (folder / name).is_file():
                return folder / name
        except OSError as error:
            raise InputError(f"{where}: no image {name[:60]!r} ({error.strerror})") from error
    raise InputError(
        f"{where}: annotation without image: no {name!r} in images/ or beside {table.name}, nor in the current folder"
    )


def stable_name(table: Path, image: str) -> str:
    """The name of a list file's image that is the same wherever the data set lies: never an absolute path."""
    return (_below(table, image) if _is_absolute(image) else None) or image


def relative_path(image: Path, folder: Path) -> str:
    """The path to an image from a folder, with forward slashes.

    Raises:
        InputError: they lie on different drives.
    """
    try:
        return Path(os.path.relpath(image.resolve(), folder.resolve())).as_posix()
    except ValueError as error:
        raise InputError(
            f"{folder}: lies on another drive than {image}; choose a place on the same"
        ) from error


def boxes_at(values: Any, where: str) -> NDArray[np.float64]:
    """Boxes out of a file as (N, 4) float64 xyxy.

    Raises:
        InputError: as `geometry.as_boxes`, with the place.
    """
    try:
        return as_boxes(values)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def _is_absolute(name: str) -> bool:
    return PurePosixPath(name).is_absolute() or Path(name).is_absolute()


def _below(table: Path, name: str) -> str | None:
    """An absolute path relative to the table's folder; None where it is not below that."""
    image, folder = Path(os.path.abspath(name)), Path(os.path.abspath(table.parent))
    return image.relative_to(folder).as_posix() if image.is_relative_to(folder) else None
