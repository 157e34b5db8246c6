"""What the formats share: lines, numbers that name their place, and the images that a list file names."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TypeGuard

from efficientfan.errors import InputError
from efficientfan.files import read_text

__all__ = ["LARGEST", "find_image", "is_scalar", "numbers", "read_lines", "split_file", "unique_name"]

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)  # float() also takes 1_0 and nan
LARGEST = 1e6
"""Pixels; a coordinate beyond it is damage, not a face outside the photo."""


def read_lines(path: str | Path) -> list[str]:
    """Stripped lines of a UTF-8 text file; errors as `files.read_text`."""
    return [line.strip() for line in read_text(path).split("\n")]


def numbers(path: str | Path, line: int, tokens: Sequence[str], expected: int) -> list[float]:
    """Parse `expected` finite numbers.

    Raises:
        InputError: another count, letters, NaN or infinity, or a value beyond any photo; with file and line.
    """
    if len(tokens) != expected:
        raise InputError(f"{path}: line {line}: expected {expected} numbers, found {len(tokens)}")
    values = []
    for token in tokens:
        if not _NUMBER.fullmatch(token):
            raise InputError(f"{path}: line {line}: {token[:40]!r} is not a number")
        values.append(float(token))
        if abs(values[-1]) > LARGEST:
            raise InputError(f"{path}: line {line}: {token[:40]!r} is not a pixel coordinate")
    return values


def is_scalar(value: object) -> TypeGuard[str | int | float | bool]:
    """Whether a value out of JSON can be an attribute: text, a finite number or a truth value."""
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
            raise InputError(f"{root}: no such file")
        if split not in ("all", root.stem):
            raise InputError(f"{root}: is one file; its split is 'all', not {split!r}")
        return root
    for path in (root / f"{split}{suffix}", root / "annotations" / f"{split}{suffix}"):
        if path.is_file():
            return path
    raise InputError(f"{root}: has no {split}{suffix}; give the {suffix} file, or its folder")


def find_image(table: Path, name: str, where: str) -> Path:
    """The image that a list file names.

    Raises:
        InputError: an absolute path, or no such file.
    """
    if not name or "\0" in name or PurePosixPath(name).is_absolute() or Path(name).is_absolute():
        raise InputError(f"{where}: image name {name!r} must be a path relative to the list file")
    beside = table.parent
    for folder in (beside / "images", beside, beside.parent / "images", beside / table.stem):
        try:
            if (folder / name).is_file():
                return folder / name
        except OSError as error:
            raise InputError(f"{where}: no image {name[:60]!r} ({error.strerror})") from error
    raise InputError(f"{where}: annotation without image: no {name!r} in images/ or beside {table.name}")
