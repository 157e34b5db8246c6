"""Where a pixel is: the one convention for images, crops and heatmaps, and the transforms between them.

**Pixels.** Coordinates are (x, y), 0-based, with pixel centers at integers: an image of width W covers
[-0.5, W - 0.5]. **Boxes** are xyxy in the same coordinates. **Heatmap cells** of stride s: cell i has its
center at crop pixel (i + 0.5) * s - 0.5. Angles are in degrees, counter-clockwise as seen on the screen.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efficientfan.errors import InputError, first_line

__all__ = [
    "BoxCorrection",
    "CropTransform",
    "as_boxes",
    "box_iou",
    "box_nesting",
    "box_of_points",
    "cells_to_pixels",
    "pixels_to_cells",
]

Array = NDArray[Any]

_SMALLEST, _LARGEST = 1e-6, 1e12
"""Pixels. Narrower boxes, and coordinates beyond, have crops that floating-point numbers cannot describe."""


def pixels_to_cells(points: ArrayLike, stride: float) -> Array:
    """Crop pixels to heatmap cells, the inverse of `cells_to_pixels`.

    >>> float(pixels_to_cells(1.5, stride=4))
    0.0
    """
    return (np.asarray(points) + 0.5) / stride - 0.5


def cells_to_pixels(points: ArrayLike, stride: float) -> Array:
    """Heatmap cells to crop pixels: the center of cell 0 at stride 4 is crop pixel 1.5.

    >>> float(cells_to_pixels(0.0, stride=4))
    1.5
    """
    return (np.asarray(points) + 0.5) * stride - 0.5


def as_boxes(boxes: ArrayLike) -> Array:
    """Check xyxy boxes and return them as (N, 4) float64; one box of shape (4,) becomes (1, 4).

    Raises:
        InputError: a wrong shape, a value that is not finite or beyond any image, or a width or height that is not
            positive.
    """
    try:
        array = np.asarray(boxes, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"boxes must be numbers of shape (N, 4), xyxy: {first_line(error)}") from error
    if array.shape == (4,):
        array = array[None]
    if array.size == 0 and array.ndim <= 2:
        return np.zeros((0, 4))
    if array.ndim != 2 or array.shape[1] != 4:
        raise InputError(f"boxes must have shape (N, 4), xyxy in pixels, not {array.shape}")
    for index, box in enumerate(array):
        if not np.isfinite(box).all():
            raise InputError(f"box {index} holds a value that is not finite: {box.tolist()}")
        if np.abs(box).max() > _LARGEST:
            raise InputError(f"box {index} holds a value that is no pixel coordinate: {box.tolist()}")
        if (box[2:] - box[:2] < _SMALLEST).any():
            raise InputError(
                f"box {index} has no positive width and height: {box.tolist()}; boxes are x0, y0, x1, y1"
            )
    return array


def box_of_points(points: ArrayLike) -> Array:
    """Tight xyxy box of (K, 2) points; rows that hold NaN are left out.

    Raises:
        InputError: fewer than two labeled points.
    """
    array = np.asarray(points, dtype=np.float64)
    array = array[np.isfinite(array).all(axis=1)]
    if len(array) < 2:
        raise InputError("a box needs at least two labeled points")
    return np.concatenate([array.min(axis=0), array.max(axis=0)])


def box_iou(first: ArrayLike, second: ArrayLike) -> Array:
    """Intersection over union of (N, 4) and (M, 4) xyxy boxes, as (N, M).

    >>> box_iou([[0, 0, 2, 2]], [[1, 0, 3, 2], [5, 5, 6, 6]]).round(3).tolist()
    [[0.333, 0.0]]
    """
    common, a, b = _areas(first, second)
    return np.asarray(common / np.maximum(a + b - common, 1e-12))


def box_nesting(first: ArrayLike, second: ArrayLike) -> Array:
    """Share of the smaller box that lies in the other, of (N, 4) and (M, 4) xyxy boxes, as (N, M).

    >>> box_nesting([[0, 0, 4, 4]], [[1, 1, 2, 2], [3, 0, 5, 4]]).tolist()
    [[1.0, 0.5]]
    """
    common, a, b = _areas(first, second)
    return np.asarray(common / np.maximum(np.minimum(a, b), 1e-12))


def _areas(first: ArrayLike, second: ArrayLike) -> tuple[Array, Array, Array]:
    """Areas that each pair has in common (N, M), and each box's own, (N, 1) and (1, M)."""
    a = np.asarray(first, dtype=np.float64).reshape(-1, 1, 4)
    b = np.asarray(second, dtype=np.float64).reshape(1, -1, 4)
    size = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    common = size.clip(min=0).prod(axis=-1)
    return common, (a[..., 2:] - a[..., :2]).prod(-1), (b[..., 2:] - b[..., :2]).prod(-1)


@dataclass(frozen=True)
class BoxCorrection:
    """From one idea of a face's box to another, such as from a detector's to the tight box of the landmarks.

    Attributes:
        shift: movement of the center in box (widths, heights); + is right and down.
        scale: factors on (width, height).

    Raises:
        InputError: not two finite numbers each, or a factor that is not positive.
    """

    shift: tuple[float, float]
    scale: tuple[float, float]

    def __post_init__(self) -> None:
        shift, scale = (np.asarray(values, dtype=np.float64) for values in (self.shift, self.scale))
        if shift.shape != (2,) or scale.shape != (2,) or not np.isfinite([shift, scale]).all():
            raise InputError(
                f"shift and scale of a box are two numbers each, not {self.shift} and {self.scale}"
            )
        if not (scale > 0).all():
            raise InputError(f"the scale of a box is positive, not {self.scale}")

    @classmethod
    def between(cls, first: Array, second: Array) -> BoxCorrection:
        """The median correction from boxes to others of the same faces, both (N, 4) xyxy with N > 0.

        >>> BoxCorrection.between(np.array([[0, 0, 10, 10]]), np.array([[-5, 0, 15, 15]]))
        BoxCorrection(shift=(0.0, 0.25), scale=(2.0, 1.5))
        """
        sizes = first[:, 2:] - first[:, :2]
        moves = (second[:, :2] + second[:, 2:] - first[:, :2] - first[:, 2:]) / 2 / sizes
        factors = (second[:, 2:] - second[:, :2]) / sizes
        (right, down), (wide, high) = np.median(moves, axis=0), np.median(factors, axis=0)
        return cls((float(right), float(down)), (float(wide), float(high)))

    def apply(self, boxes: Array) -> Array:
        """(N, 4) xyxy to (N, 4) xyxy."""
        size = boxes[:, 2:] - boxes[:, :2]
        center = (boxes[:, :2] + boxes[:, 2:]) / 2 + size * np.asarray(self.shift)
        half = size * np.asarray(self.scale) / 2
        return np.concatenate([center - half, center + half], axis=1)

    def mirrored(self) -> BoxCorrection:
        """The correction for a mirrored face."""
        return BoxCorrection((-self.shift[0], self.shift[1]), self.scale)


@dataclass(frozen=True)
class CropTransform:
    """A similarity (perhaps mirrored) from image pixels to the pixels of a square crop, and back.

    Attributes:
        matrix: (2, 3) float64, image (x, y, 1) -> crop (x, y).
        size: side of the crop in pixels.
    """

    matrix: Array
    size: int

    def __post_init__(self) -> None:
        if np.shape(self.matrix) != (2, 3):
            raise InputError(f"a crop matrix has shape (2, 3), not {np.shape(self.matrix)}")
        if self.size < 1:
            raise InputError(f"a crop has at least one pixel a side, not {self.size}")

    @classmethod
    def from_box(
        cls,
        box: ArrayLike,
        size: int,
        margin: float = 0.25,
        *,
        rotation: float = 0.0,
        scale: float = 1.0,
        shift: tuple[float, float] = (0.0, 0.0),
        flip: bool = False,
    ) -> CropTransform:
        """The crop around a box: centered on it, with side `longer side * (1 + margin)`.

        Args:
            box: xyxy in image pixels.
            size: side of the crop in pixels.
            margin: share of the longer side added in all; 0.25 is MobileFAN's 1.25.
            rotation: degrees by which the content turns counter-clockwise.
            scale: > 1 enlarges the content.
            shift: movement of the content in crop sides, (x, y), after rotation and scale, before the flip.
            flip: mirror the crop left to right; the caller swaps the landmarks (`LandmarkSchema.flip`).

        Raises:
            InputError: a box without positive size, or a margin or scale that leaves no crop.
        """
        x0, y0, x1, y1 = as_boxes(box)[0]
        if margin <= -1 or scale <= 0:
            raise InputError(f"margin must be > -1 and scale > 0, not {margin} and {scale}")
        side = max(x1 - x0, y1 - y0) * (1 + margin) / scale
        factor = size / side
        angle = math.radians(rotation)
        # y points down, so a counter-clockwise turn on the screen has the sine's sign swapped.
        linear = factor * np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
        center = np.array([(x0 + x1) / 2, (y0 + y1) / 2])
        middle = (size - 1) / 2
        offset = middle + np.asarray(shift) * size - linear @ center
        matrix = np.column_stack([linear, offset])
        if flip:
            matrix[0] *= -1
            matrix[0, 2] += size - 1
        return cls(matrix, size)

    @property
    def scale(self) -> float:
        """Crop pixels per image pixel."""
        return math.sqrt(abs(float(np.linalg.det(self.matrix[:, :2]))))

    @property
    def mirrors(self) -> bool:
        """Whether left and right change places."""
        return float(np.linalg.det(self.matrix[:, :2])) < 0

    @property
    def down(self) -> Array:
        """(2,) unit vector in the crop along which the image's y grows."""
        return np.asarray(self.matrix[:, 1] / np.linalg.norm(self.matrix[:, 1]))

    def apply(self, points: ArrayLike) -> Array:
        """Image pixels (..., 2) to crop pixels, float64. NaN stays NaN."""
        return np.asarray(np.asarray(points, dtype=np.float64) @ self.matrix[:, :2].T + self.matrix[:, 2])

    def inverse(self, points: ArrayLike) -> Array:
        """Crop pixels (..., 2) to image pixels, float64; undoes `apply` to rounding."""
        linear = np.linalg.inv(self.matrix[:, :2])
        return np.asarray((np.asarray(points, dtype=np.float64) - self.matrix[:, 2]) @ linear.T)

    def apply_to_boxes(self, boxes: Array) -> Array:
        """Boxes of faces, (N, 4) xyxy in image pixels, in crop pixels: those of the ellipses inside them.

        A turned face's landmarks fill the ellipse in its box, not the corners.
        """
        return _ellipse_boxes(boxes, self.apply, self.matrix[:, :2])

    def inverse_of_boxes(self, boxes: Array) -> Array:
        """Boxes of faces, (N, 4) xyxy in crop pixels, in image pixels, as `apply_to_boxes`."""
        return _ellipse_boxes(boxes, self.inverse, np.linalg.inv(self.matrix[:, :2]))


def _ellipse_boxes(boxes: Array, move: Callable[[Array], Array], linear: Array) -> Array:
    centers = move((boxes[:, :2] + boxes[:, 2:]) / 2)
    half = np.sqrt(((boxes[:, 2:] - boxes[:, :2]) / 2) ** 2 @ (linear**2).T)
    return np.concatenate([centers - half, centers + half], axis=1)
