"""What may stand before a face: a rectangle, a hand, a mask; drawn over training crops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["OCCLUDERS", "Occluder"]

Array = NDArray[Any]
Occluder: TypeAlias = Callable[[Array, Array, Array, np.random.Generator], Array]
"""(crop (S, S, 3) uint8, points (K, 2) crop pixels with NaN where unlabeled, (2,) unit vector from forehead to chin,
generator) -> crop with the occluder before it; the input is left alone."""

_SKIN_DARK, _SKIN_LIGHT = np.array([58.0, 34.0, 24.0]), np.array([246.0, 212.0, 190.0])


def _rectangle(crop: Array, points: Array, down: Array, rng: np.random.Generator) -> Array:
    """A rectangle of noise or of one color over 2 to 16 % of the crop (Zhong et al., AAAI 2020)."""
    side = len(crop)
    longer = np.exp(rng.uniform(-0.4, 0.4))  # sides up to 0.6 of the crop's: the rectangle always fits
    area = side * np.sqrt(rng.uniform(0.02, 0.16))
    width, height = max(1, round(area * longer)), max(1, round(area / longer))
    x, y = rng.integers(0, side - width + 1), rng.integers(0, side - height + 1)
    shape = (height, width, 3) if rng.random() < 0.5 else (3,)
    covered = np.array(crop)
    covered[y : y + height, x : x + width] = rng.integers(0, 256, shape, np.uint8)
    return covered


def _hand(crop: Array, points: Array, down: Array, rng: np.random.Generator) -> Array:
    """Two to four fingers and a palm of one skin tone, reaching over the face from a random side."""
    side = len(crop)
    shape = np.zeros((side, side), np.uint8)
    angle, width = rng.uniform(0, 2 * np.pi), max(1.0, rng.uniform(0.06, 0.1) * side)
    reach = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-reach[1], reach[0]])
    tip = side / 2 + side * rng.uniform(-0.25, 0.25, 2)
    for finger in range(int(rng.integers(2, 5))):
        root = tip - reach * side * 0.45 + across * width * 1.05 * finger
        end = tip + across * width * 1.1 * finger + reach * side * rng.uniform(-0.05, 0.05)
        cv2.line(shape, _pixel(root), _pixel(end), 255, max(1, round(width)), cv2.LINE_AA)
    palm = tip - reach * side * 0.6 + across * width * 1.5
    cv2.circle(shape, _pixel(palm), max(1, round(0.22 * side)), 255, -1, cv2.LINE_AA)
    tone = _SKIN_DARK + (_SKIN_LIGHT - _SKIN_DARK) * rng.random()
    return _laid_over(crop, shape, tone * rng.uniform(0.9, 1.1, 3), rng)


def _mask(crop: Array, points: Array, down: Array, rng: np.random.Generator) -> Array:
    """A mask or scarf of one color over the labeled points below a line through the nose."""
    labeled = points[np.isfinite(points).all(axis=1)]
    if len(labeled) < 3:
        return crop
    heights = labeled @ down
    top = heights.min() + (heights.max() - heights.min()) * rng.uniform(0.42, 0.62)
    below = labeled[heights >= top]
    if len(below) < 3:
        return crop
    center = below.mean(axis=0)
    outline = cv2.convexHull((center + (below - center) * rng.uniform(1.0, 1.12)).astype(np.float32))
    shape = np.zeros(crop.shape[:2], np.uint8)
    cv2.fillConvexPoly(shape, outline.round().astype(np.int32), 255, cv2.LINE_AA)
    pale = rng.random() < 0.5
    return _laid_over(crop, shape, rng.uniform(150, 255, 3) if pale else rng.uniform(0, 255, 3), rng)


def _laid_over(crop: Array, shape: Array, color: Array, rng: np.random.Generator) -> Array:
    """`color` where `shape` is 255, lit unevenly and slightly noisy, so that its edge is not its only texture."""
    side = len(crop)
    coarse = rng.normal(1.0, 0.12, (4, 4)).astype(np.float32)
    light = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)[..., None]
    paint = color * light + rng.normal(0.0, 4.0, crop.shape)
    share = shape[..., None] / np.float32(255)
    return np.asarray(np.rint(crop * (1 - share) + paint * share).clip(0, 255).astype(np.uint8))


def _pixel(point: Array) -> tuple[int, int]:
    x, y = np.rint(point).astype(int).tolist()
    return x, y


OCCLUDERS: dict[str, Occluder] = {"occlusion": _rectangle, "hand": _hand, "mask": _mask}
"""Name of the field of `Augmentation` with its probability -> occluder."""
