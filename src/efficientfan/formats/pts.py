"""`.pts` files: one face's points as text, 1-based on disk (iBUG's format, written from MATLAB).

```
version: 1
n_points: 68
{
117.784 170.158
...
}
```

Helen's bare form is legal too: nothing but the lines of numbers (x and y, split by spaces or a comma).
Pixel convention: the top left pixel's center is (1, 1) on disk and (0, 0) here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efficientfan.errors import InputError
from efficientfan.files import write_text
from efficientfan.formats.records import FaceFiles, FailedPhoto, Record
from efficientfan.formats.text import numbers, read_lines

__all__ = ["PtsWriter", "read_pts", "write_pts"]

Line = tuple[int, str]


def read_pts(path: str | Path, n_points: int | None = None) -> NDArray[np.float64]:
    """Points of a `.pts` file as (K, 2) float64, (x, y) in pixels, 0-based.

    Args:
        path: the file.
        n_points: K, where the caller knows it.

    Raises:
        InputError: unreadable, half a header, letters or NaN among the numbers, or not as many points as the
            header or the caller says; the message names the file and the line.
    """
    lines = [(number, text) for number, text in enumerate(read_lines(path), start=1) if text]
    if not lines:
        raise InputError(f"{path}: is empty; expected a header, '{{', lines of x y, '}}'")
    bare = all(text[0] in "+-.0123456789" for _, text in lines)
    body, stated = (lines, None) if bare else _strip_header(path, lines)
    for expected, source in ((stated, "n_points says"), (n_points, "the schema has")):
        if expected is not None and len(body) != expected:
            last = body[-1][0] if body else lines[-1][0]
            raise InputError(f"{path}: line {last}: {source} {expected} points, the file holds {len(body)}")
    rows = [numbers(path, line, text.replace(",", " ").split(), expected=2) for line, text in body]
    return np.array(rows, dtype=np.float64).reshape(-1, 2) - 1.0


def write_pts(path: str | Path, points: ArrayLike, decimals: int = 6) -> None:
    """Write (K, 2) 0-based points as a `.pts` file (1-based), atomically.

    Args:
        path: the file.
        points: (K, 2), (x, y) in pixels, 0-based.
        decimals: of each number.

    Raises:
        InputError: another shape, or a point that is not finite: the format cannot hold it.
    """
    array = np.asarray(points, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != 2:
        raise InputError(f"{path}: points must have shape (K, 2), not {array.shape}")
    if not np.isfinite(array).all():
        missing = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
        raise InputError(f"{path}: landmark {missing} is not labeled; .pts holds no gaps, COCO and CSV do")
    rows = "".join(f"{x:.{decimals}f} {y:.{decimals}f}\n" for x, y in array + 1.0)
    write_text(path, f"version: 1\nn_points: {len(array)}\n{{\n{rows}}}\n")


class PtsWriter:
    """One `.pts` file per face, named by `FaceFiles`. A photo without faces has no file.

    The format holds points only: no box, score, model or schema. Points are rounded to 1/1000 pixel.

    Args:
        targets: photo's path -> path of its first `.pts` file.

    Raises:
        InputError: a photo has the name that a further face of another would get.
    """

    def __init__(self, targets: Mapping[str, Path]) -> None:
        self._files = FaceFiles(targets)

    def add(self, record: Record) -> None:
        """Write one file per face."""
        for number, face in enumerate(record.faces, start=1):
            write_pts(self._files.path(record.image, number), face.points, decimals=3)

    def fail(self, failed: FailedPhoto) -> None:
        """Failed photos are left out."""

    def finish(self) -> None:
        """Every file is complete already."""


def _strip_header(path: str | Path, lines: list[Line]) -> tuple[list[Line], int]:
    """The lines between the braces, and what `n_points` says."""
    texts = [text for _, text in lines]
    if "{" not in texts:
        raise InputError(f"{path}: line {lines[-1][0]}: no line '{{' opens the points")
    start = texts.index("{")
    header: dict[str, str] = {}
    for number, text in lines[:start]:
        key, _, value = text.partition(":")
        header[key.strip().lower()] = value.strip()
        if key.strip().lower() not in ("version", "n_points"):
            raise InputError(
                f"{path}: line {number}: expected 'version: 1' or 'n_points: K', not {text[:40]!r}"
            )
    if not re.fullmatch(r"[0-9]{1,6}", header.get("n_points", "")):
        raise InputError(f"{path}: line {lines[start][0]}: the header lacks 'n_points: K' before '{{'")
    end = texts.index("}") if "}" in texts else -1
    if end != len(lines) - 1:
        raise InputError(
            f"{path}: line {lines[end][0]}: expected '}}' once, as the last line; is the file cut?"
        )
    return lines[start + 1 : -1], int(header["n_points"])
