"""What covers a part of a face in a training picture: a patch, a mask, a cap, dark glasses, hair, a shadow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["cover_face"]

Array = NDArray[Any]


def cover_face(picture: Array, box: Array, down: Array, rng: np.random.Generator) -> None:
    """Cover a part of a face, in place.

    Args:
        picture: (H, W, 3) uint8.
        box: (4,) xyxy of the face in pixels.
        down: (2,) unit vector from the forehead to the chin.
        rng: decides what and how much.
    """
    if rng.random() < 0.3:
        _patch(picture, box, rng)
        return
    outline = list(_OUTLINES.values())[int(rng.integers(len(_OUTLINES)))](rng)
    half = (box[2:] - box[:2]).mean() / 2
    right = np.array([down[1], -down[0]])
    corners = (box[:2] + box[2:]) / 2 + half * (outline[:, :1] * right + outline[:, 1:] * down)
    shape = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(shape, [np.rint(corners * 8).astype(np.int32)], 255, cv2.LINE_AA, 3)
    share = shape[..., None] / np.float32(255)
    if rng.random() < 0.25:  # a shadow or a tint lets the face through
        paint = picture * rng.uniform(0.15, 0.6, 3)
    else:
        color = rng.integers(0, 256, 3) if rng.random() < 0.5 else np.full(3, rng.integers(0, 90))
        paint = color + rng.normal(0, rng.uniform(0, 12), picture.shape)
    picture[:] = np.rint(picture * (1 - share) + paint * share).clip(0, 255).astype(np.uint8)


def _patch(picture: Array, box: Array, rng: np.random.Generator) -> None:
    """A rectangle of noise, color or of another place of the picture over up to 40 % of the face."""
    height, width = picture.shape[:2]
    extent = (box[2:] - box[:2]) * rng.uniform(0.25, 0.65, 2)
    corner = rng.uniform(box[:2] - 0.3 * extent, box[2:] - 0.7 * extent)
    limits = (width, height, width, height)
    x0, y0, x1, y1 = (int(v) for v in np.rint([*corner, *(corner + extent)]).clip(0, limits))
    if x1 <= x0 or y1 <= y0:
        return
    kind = int(rng.integers(3))
    if kind == 0:
        picture[y0:y1, x0:x1] = rng.integers(0, 256, (y1 - y0, x1 - x0, 3), np.uint8)
    elif kind == 1:
        picture[y0:y1, x0:x1] = rng.integers(0, 256, 3, np.uint8)
    else:
        from_x, from_y = int(rng.integers(width - (x1 - x0) + 1)), int(rng.integers(height - (y1 - y0) + 1))
        picture[y0:y1, x0:x1] = picture[from_y : from_y + y1 - y0, from_x : from_x + x1 - x0].copy()


def _lower_face(rng: np.random.Generator) -> Array:
    """A mask or scarf from the nose down."""
    top = rng.uniform(-0.15, 0.3)
    side = rng.uniform(0.85, 1.1)
    return np.array(
        [[-side, top], [0, top - rng.uniform(0, 0.2)], [side, top], [0.7, 0.8], [0, 1.15], [-0.7, 0.8]]
    )


def _cap(rng: np.random.Generator) -> Array:
    """A cap, helmet or hood down to the brows."""
    brim = rng.uniform(-0.75, -0.4)
    reach = rng.uniform(1.0, 1.35)
    return np.array(
        [[-reach, brim], [reach, brim + rng.uniform(-0.1, 0.1)], [1.1, -1.3], [0, -1.9], [-1.1, -1.3]]
    )


def _glasses(rng: np.random.Generator) -> Array:
    """Dark glasses."""
    top, bottom = rng.uniform(-0.75, -0.6), rng.uniform(-0.4, -0.2)
    return np.array(
        [[-0.9, top], [0.9, top], [0.8, bottom], [0.1, top + 0.15], [-0.1, top + 0.15], [-0.8, bottom]]
    )


def _side(rng: np.random.Generator) -> Array:
    """Hair over a cheek, a half shadow, a neighbor's head."""
    edge = rng.uniform(-0.5, 0.2)
    sign = rng.choice([-1.0, 1.0])
    lean = rng.uniform(-0.25, 0.25)
    outline = np.array([[-1.4, -1.3], [edge + lean, -1.3], [edge - lean, 1.3], [-1.4, 1.3]])
    return np.asarray(outline * np.array([sign, 1.0]))


_OUTLINES: dict[str, Callable[[np.random.Generator], Array]] = {
    "lower_face": _lower_face,
    "cap": _cap,
    "glasses": _glasses,
    "side": _side,
}
"""Outlines (M, 2) in half box sizes from the face's center, x to its left and y down the face."""
