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
Pixel convention: the top left pixel's centre is (1, 1) on disk and (0, 0) here.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efficientfan.data.readers.layout import numbers, read_lines
from efficientfan.errors import InputError
from efficientfan.files import write_text

__all__ = ["read_pts", "write_pts"]

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
        raise InputError(f"{path}: is empty; expected 'version: 1', 'n_points: K', '{{', K lines of x y, '}}'")
    bare = all(text[0] in "+-.0123456789" for _, text in lines)
    body, stated = (lines, None) if bare else _strip_header(path, lines)
    for expected, source in ((stated, "n_points says"), (n_points, "the schema has")):
        if expected is not None and len(body) != expected:
            last = body[-1][0] if body else lines[-1][0]
            raise InputError(f"{path}: line {last}: {source} {expected} points, the file holds {len(body)}")
    points = np.array([_point(path, line) for line in body], dtype=np.float64).reshape(-1, 2)
    return points - 1.0


def write_pts(path: str | Path, points: ArrayLike) -> None:
    """Write (K, 2) 0-based points as a `.pts` file (1-based), atomically; 1/1000 pixel.

    Raises:
        InputError: another shape, or a point that is not finite: the format cannot hold it.
    """
    array = np.asarray(points, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != 2:
        raise InputError(f"{path}: points must have shape (K, 2), not {array.shape}")
    if not np.isfinite(array).all():
        missing = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
        raise InputError(f"{path}: landmark {missing} is not labelled, and .pts cannot hold a gap; use COCO or CSV")
    rows = "".join(f"{x:.3f} {y:.3f}\n" for x, y in array + 1.0)
    write_text(path, f"version: 1\nn_points: {len(array)}\n{{\n{rows}}}\n")


def _strip_header(path: str | Path, lines: list[Line]) -> tuple[list[Line], int]:
    """The lines between the braces, and what `n_points` says."""
    header: dict[str, Any] = {}
    for index, (number, text) in enumerate(lines):
        if text == "{":
            break
        key, colon, value = text.partition(":")
        if not colon or key.strip().lower() not in ("version", "n_points"):
            raise InputError(f"{path}: line {number}: expected 'version: 1', 'n_points: K' or '{{', not {text[:40]!r}")
        header[key.strip().lower()] = value.strip()
    else:
        raise InputError(f"{path}: line {lines[-1][0]}: no line '{{' opens the points")
    if not header.get("n_points", "").isdecimal():
        raise InputError(f"{path}: line {lines[index][0]}: the header lacks 'n_points: K' before '{{'")
    closing = [i for i, (_, text) in enumerate(lines) if text == "}"]
    if closing != [len(lines) - 1]:
        where = lines[closing[0] if closing else -1][0]
        raise InputError(f"{path}: line {where}: expected one line '}}', as the last; the file looks cut or joined")
    return lines[index + 1 : -1], int(header["n_points"])


def _point(path: str | Path, line: Line) -> list[float]:
    number, text = line
    values = numbers(path, number, text.replace(",", " ").split(), expected=2)
    if not all(map(math.isfinite, values)):
        raise InputError(f"{path}: line {number}: coordinates must be finite, not {text[:40]!r}")
    return values
