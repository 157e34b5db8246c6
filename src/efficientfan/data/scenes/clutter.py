"""What small faces are mistaken for, drawn beside them: letters, signs, rings and spots of light."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["strew_clutter"]

Array = NDArray[Any]

_FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
)
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789&@%?!"
_MOST = 8
_LEAST_HEIGHT = 7.0
"""Of a drawn thing, in pixels; the largest is a third of the tile."""


def strew_clutter(tile: Array, boxes: Array, rng: np.random.Generator) -> None:
    """Draw one to eight things where no face is, in place.

    Args:
        tile: (H, W, 3) uint8.
        boxes: (N, 4) xyxy of all faces on it, in pixels.
        rng: decides what and where.
    """
    side = min(tile.shape[:2])
    for _ in range(int(rng.integers(1, _MOST + 1))):
        height = float(np.exp(rng.uniform(np.log(_LEAST_HEIGHT), np.log(max(_LEAST_HEIGHT, side / 3)))))
        draw = _THINGS[int(rng.integers(len(_THINGS)))]
        stamp, share = draw(height, rng)
        rows, columns = share.shape
        if rows >= tile.shape[0] or columns >= tile.shape[1]:
            continue
        y, x = int(rng.integers(tile.shape[0] - rows)), int(rng.integers(tile.shape[1] - columns))
        meets = (boxes[:, :2] < (x + columns, y + rows)).all(axis=1) & (boxes[:, 2:] > (x, y)).all(axis=1)
        if meets.any():
            continue
        place = tile[y : y + rows, x : x + columns]
        place[:] = np.rint(place * (1 - share[..., None]) + stamp * share[..., None]).astype(np.uint8)


def _text(height: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """One to five letters, sometimes on a plate."""
    word = "".join(rng.choice(list(_LETTERS), int(rng.integers(1, 6))))
    font = _FONTS[int(rng.integers(len(_FONTS)))]
    thickness = max(1, round(height * rng.uniform(0.04, 0.25)))
    scale = cv2.getFontScaleFromHeight(font, max(4, round(height)), thickness)
    (width, above), below = cv2.getTextSize(word, font, scale, thickness)
    shape = np.zeros((above + below + 4, width + 4), np.uint8)
    cv2.putText(shape, word, (2, above + 2), font, scale, 255, thickness, cv2.LINE_AA)
    share = shape / np.float32(255)
    if rng.random() < 0.5:
        return _color(rng), share
    return _color(rng) * share[..., None] + _color(rng) * (1 - share[..., None]), np.ones_like(share)


def _sign(height: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """A box, ring or disc with bars or a spot in it: window, button, traffic sign, Chinese letter."""
    size = max(6, round(height))
    shape, inner = np.zeros((size, size), np.uint8), np.zeros((size, size), np.uint8)
    thickness = -1 if rng.random() < 0.4 else max(1, round(size * rng.uniform(0.06, 0.2)))
    if rng.random() < 0.5:
        cv2.circle(shape, (size // 2, size // 2), round(0.42 * size), 255, thickness, cv2.LINE_AA)
    else:
        cv2.rectangle(shape, (size // 10, size // 10), (size - size // 8, size - size // 8), 255, thickness)
    bar = max(1, round(size * rng.uniform(0.05, 0.15)))
    for _ in range(int(rng.integers(4))):
        at, low, high = (int(each) for each in rng.uniform(0.2, 0.8, 3) * size)
        ends = ((low, at), (high, at)) if rng.random() < 0.6 else ((at, low), (at, high))
        cv2.line(inner, *ends, 255, bar, cv2.LINE_AA)
    share, marks = shape / np.float32(255), inner[..., None] / np.float32(255)
    return _color(rng) * (1 - marks) + _color(rng) * marks, np.maximum(share, marks[..., 0])


def _spot(height: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """A blurred oval: a lamp, a fruit, a hand far away."""
    size = max(6, round(1.5 * height))
    shape = np.zeros((size, size), np.uint8)
    axes = tuple(max(1, round(each)) for each in 0.3 * size * rng.uniform(0.6, 1.0, 2))
    cv2.ellipse(shape, (size // 2, size // 2), axes, rng.uniform(0, 180), 0, 360, 255, -1, cv2.LINE_AA)
    share = cv2.GaussianBlur(shape, (0, 0), max(0.3, size * rng.uniform(0.02, 0.12))) / np.float32(255)
    return _color(rng), share


def _color(rng: np.random.Generator) -> Array:
    """(3,): any color, a gray, or one of skin."""
    kind = int(rng.integers(3))
    if kind == 0:
        return rng.uniform(0, 255, 3)
    if kind == 1:
        return np.full(3, rng.uniform(0, 255))
    return np.array([1.0, rng.uniform(0.6, 0.85), rng.uniform(0.4, 0.75)]) * rng.uniform(60, 255)


_THINGS: tuple[Callable[[float, np.random.Generator], tuple[Array, Array]], ...] = (_text, _sign, _spot)
"""Each takes a height in pixels and gives colors in [0, 255], (3,) or (H, W, 3), and what share of what is there they
cover, (H, W) in [0, 1]."""
