"""Strokes, dots, text and number labels on an RGB canvas, at sixteenths of a pixel: the tools of `draw.py`.

Every function here draws into the canvas it is given.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Colour",
    "add_dot",
    "add_line",
    "add_numbers",
    "add_rectangle",
    "add_text",
    "mix",
    "shorten",
    "text_size",
]

Array = NDArray[Any]
Colour: TypeAlias = tuple[int, int, int]

_SHIFT = 4
_FAR = 1e6  # beyond this OpenCV's fixed-point coordinates overflow
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def add_line(canvas: Array, start: ArrayLike, end: ArrayLike, colour: Colour, width: float) -> None:
    """A line of `width` pixels, at least one."""
    cv2.line(canvas, _fixed(start), _fixed(end), colour, _thickness(width), cv2.LINE_AA, _SHIFT)


def add_rectangle(canvas: Array, box: ArrayLike, colour: Colour, width: float) -> None:
    """The outline of an xyxy box."""
    corners = np.asarray(box, dtype=np.float64)
    cv2.rectangle(
        canvas, _fixed(corners[:2]), _fixed(corners[2:]), colour, _thickness(width), cv2.LINE_AA, _SHIFT
    )


def add_dot(canvas: Array, centre: ArrayLike, radius: float, colour: Colour, ring: float = 0) -> None:
    """A filled disc, or, with `ring` > 0, a circle of that line width."""
    width = _thickness(ring) if ring > 0 else -1
    cv2.circle(canvas, _fixed(centre), round(radius * 2**_SHIFT), colour, width, cv2.LINE_AA, _SHIFT)


def add_text(
    canvas: Array, text: str, corner: tuple[float, float], size: float, colour: Colour, bold: int = 0
) -> None:
    """Write with the lower left corner of the text at `corner`; OpenCV writes ASCII, the rest becomes `?`."""
    position = (round(corner[0]), round(corner[1]))
    cv2.putText(
        canvas, _ascii(text), position, _FONT, size, colour, _thickness(size * 1.4) + bold, cv2.LINE_AA
    )


def text_size(text: str, size: float) -> tuple[int, int]:
    """Width and height in pixels of what `add_text` writes."""
    (width, height), _ = cv2.getTextSize(_ascii(text), _FONT, size, 1)
    return int(width), int(height)


def shorten(text: str, size: float, width: int) -> str:
    """`text`, cut and ended with `..` where it is wider than `width` pixels."""
    if text_size(text, size)[0] <= width:
        return text
    while text and text_size(text + "..", size)[0] > width:
        text = text[:-1]
    return text + ".."


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """`share` of the first colour and the rest of the second."""
    r, g, b = (round(a * share + c * (1 - share)) for a, c in zip(first, second, strict=True))
    return r, g, b


def add_numbers(
    canvas: Array,
    points: Array,
    colours: Sequence[Colour],
    radius: float,
    size: float,
    lines: Iterable[tuple[int, int]] = (),
    backing: Colour | None = None,
) -> None:
    """Write each point's index where it covers the fewest dots, lines and other numbers.

    Args:
        points: (K, 2); NaN is left out.
        radius: of the dots that stand at the points.
        size: of the letters, in OpenCV's unit.
        lines: pairs of indices between which lines are drawn.
        backing: colour of a rim around the digits, for use on photos.
    """
    labelled = [int(index) for index in np.flatnonzero(np.isfinite(points).all(axis=1))]
    taken = np.concatenate([_around(points[labelled], radius), _around(_along(points, lines, step=4), 1.5)])
    for index in labelled:
        half = np.array(text_size(str(index), size)) / 2
        centre = _free_place(points[index], half, radius, taken)
        taken = np.vstack([taken, np.concatenate([centre - half, centre + half])])
        if np.linalg.norm(centre - points[index]) > radius + half.max() * 2.5:
            add_line(canvas, points[index], centre, colours[index], 1)
        corner = (float(centre[0] - half[0]), float(centre[1] + half[1]))
        if backing is not None:
            add_text(canvas, str(index), corner, size, backing, bold=2)
        add_text(canvas, str(index), corner, size, colours[index])


def _free_place(point: Array, half: Array, radius: float, taken: Array) -> Array:
    """Where a label of half size `half` near `point` covers least of the boxes `taken`; near beats far."""
    best, least = point, math.inf
    for reach in (radius + 1.5, radius + half[1], radius + half[1] * 3):
        for angle in np.linspace(0, 2 * math.pi, 24, endpoint=False):
            centre = point + np.array([math.cos(angle), math.sin(angle)]) * (reach + half)
            box = np.concatenate([centre - half - 1, centre + half + 1])
            inter = np.minimum(box[2:], taken[:, 2:]) - np.maximum(box[:2], taken[:, :2])
            cost = float(inter.clip(min=0).prod(axis=1).sum()) + 0.5 * reach
            if cost < least:
                best, least = centre, cost
    return best


def _along(points: Array, lines: Iterable[tuple[int, int]], step: float) -> Array:
    places = [np.zeros((0, 2))]
    for a, b in lines:
        length = float(np.linalg.norm(points[b] - points[a]))
        if math.isfinite(length):
            share = np.linspace(0, 1, max(2, math.ceil(length / step)))[:, None]
            places.append(points[a] + share * (points[b] - points[a]))
    return np.concatenate(places)


def _around(points: Array, reach: float) -> Array:
    return np.hstack([points - reach, points + reach])


def _thickness(width: float) -> int:
    return max(1, round(width))


def _fixed(point: ArrayLike) -> tuple[int, int]:
    x, y = np.asarray(point, dtype=np.float64).tolist()  # plain numbers: a face takes hundreds of calls
    return round(min(max(x, -_FAR), _FAR) * 2**_SHIFT), round(min(max(y, -_FAR), _FAR) * 2**_SHIFT)


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode()
