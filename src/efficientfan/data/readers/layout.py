"""What all readers share: text, numbers with a place, and folders where each image has its annotation."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TypeGuard

from efficientfan.errors import InputError
from efficientfan.files import read_text
from efficientfan.imaging import IMAGE_SUFFIXES

__all__ = [
    "is_scalar",
    "numbers",
    "pair_by_stem",
    "read_lines",
    "require_file",
    "require_folder",
    "unique_name",
]

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


def require_folder(root: Path, name: str, hint: str) -> Path:
    """`root/name`, which must be a folder; `hint` says what the root should be."""
    if not root.is_dir():
        raise InputError(f"{root}: is not a folder; {hint}")
    folder = root / name
    if not folder.is_dir():
        raise InputError(f"{root}: has no folder '{name}'; {hint}")
    return folder


def require_file(root: Path, names: Sequence[str], hint: str) -> Path:
    """The first of `names` that is a file under `root`."""
    if not root.is_dir():
        raise InputError(f"{root}: is not a folder; {hint}")
    for name in names:
        if (root / name).is_file():
            return root / name
    raise InputError(f"{root}: has no file '{names[0]}'; {hint}")


def pair_by_stem(images: Path, annotations: Path, suffix: str) -> list[tuple[Path, Path]]:
    """(image, annotation) pairs of equal stem in two folders (or one), in order of name.

    Raises:
        InputError: an image without annotation, the reverse, two images of one stem, or nothing at all.
    """
    labels = {path.stem: path for path in sorted(annotations.iterdir()) if path.suffix.lower() == suffix}
    photos: dict[str, Path] = {}
    for path in sorted(images.iterdir()):
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith("."):
            if path.stem in photos:
                raise InputError(f"{path}: beside {photos[path.stem].name}; one image a name")
            photos[path.stem] = path
    lonely = [f"{photos[s]}: image without annotation ({suffix})" for s in sorted(photos.keys() - labels)]
    lonely += [f"{labels[s]}: annotation without image" for s in sorted(labels.keys() - photos)]
    if lonely:
        more = f" (and {len(lonely) - 1} more)" if len(lonely) > 1 else ""
        raise InputError(f"{lonely[0]}{more}; is the data set unpacked in full?")
    if not photos:
        raise InputError(f"{images}: holds no images with {suffix} annotations; is this the right root?")
    return [(photos[stem], labels[stem]) for stem in sorted(photos)]


def unique_name(name: str, seen: set[str]) -> str:
    """`name`, or `name#2`, `name#3`, ... where it is in `seen` already; adds what it returns to `seen`."""
    unique, count = name, 1
    while unique in seen:
        count += 1
        unique = f"{name}#{count}"
    seen.add(unique)
    return unique
