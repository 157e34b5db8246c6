"""The one warp from a photo to crops, and whole photos turned."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from efficientfan.errors import InputError
from efficientfan.geometry import CropTransform

__all__ = ["PhotoPyramid", "roll_photo", "roll_transform", "warp"]

Array = NDArray[Any]


class PhotoPyramid:
    """A photo and its reductions, each made when it is first asked for; crops of two passes share them.

    Args:
        image: H x W x 3 uint8 RGB.
    """

    def __init__(self, image: Array) -> None:
        self.image = image
        self._levels = {1: image}

    def level(self, shrink: int) -> Array:
        """The photo averaged over blocks of `shrink` x `shrink` pixels."""
        if shrink not in self._levels:
            self._levels[shrink] = _shrink(self.image, shrink)
        return self._levels[shrink]


def warp(image: Array | PhotoPyramid, transforms: Sequence[CropTransform], out: Array | None = None) -> Array:
    """Cut crops from a photo: (N, S, S, 3) uint8, black outside the photo.

    Bilinear; where a crop shrinks the photo by more than two, the photo is averaged down first, so that fine
    texture does not alias.

    Args:
        image: H x W x 3 uint8 RGB.
        transforms: N crops of the same size.
        out: (N, S, S, 3) uint8, contiguous, to write the crops to; None makes a new array.

    Raises:
        InputError: crops of several sizes, or an `out` that does not fit them.
    """
    sizes = {transform.size for transform in transforms}
    if len(sizes) > 1:
        raise InputError(f"all crops of a batch have one size, not {sorted(sizes)}")
    size = sizes.pop() if sizes else 1
    shape = (len(transforms), size, size, 3)
    crops = np.empty(shape, np.uint8) if out is None else out
    if crops.dtype != np.uint8 or crops.shape != shape or not crops.flags.c_contiguous:
        raise InputError(f"out must be contiguous uint8 of shape {shape}, not {crops.dtype} {crops.shape}")
    photo = image if isinstance(image, PhotoPyramid) else PhotoPyramid(image)
    for crop, transform in zip(crops, transforms, strict=True):
        # No further than the photo's shorter side: a box may be far larger than its photo.
        levels = min(math.log2(max(1.0, 1 / transform.scale)) + 1e-9, math.log2(min(photo.image.shape[:2])))
        shrink = 2 ** math.floor(levels)
        matrix = transform.matrix.copy()
        # Pixel x of the reduced photo has its center at (x + 0.5) * shrink - 0.5 of the full one.
        matrix[:, 2] += matrix[:, :2].sum(axis=1) * (0.5 * shrink - 0.5)
        matrix[:, :2] *= shrink
        cv2.warpAffine(photo.level(shrink), matrix, (size, size), dst=crop, flags=cv2.INTER_LINEAR)
    return crops


def roll_photo(image: Array, degrees: float) -> tuple[Array, CropTransform]:
    """A photo turned counter-clockwise, on a square gray frame that holds all of it at its own scale.

    Args:
        image: H x W x 3 uint8 RGB.
        degrees: of the turn.

    Returns:
        The S x S x 3 uint8 frame, and the transform from pixels of the photo to pixels of the frame.
    """
    transform = roll_transform(image.shape[1], image.shape[0], degrees)
    size = (transform.size, transform.size)
    gray = (128, 128, 128)
    frame = cv2.warpAffine(image, transform.matrix, size, flags=cv2.INTER_LINEAR, borderValue=gray)
    return np.asarray(frame), transform


def roll_transform(width: int, height: int, degrees: float) -> CropTransform:
    """The transform of `roll_photo` for a photo of that width and height."""
    angle = math.radians(degrees)
    across = abs(width * math.cos(angle)) + abs(height * math.sin(angle))
    along = abs(width * math.sin(angle)) + abs(height * math.cos(angle))
    size = math.ceil(max(across, along) - 1e-9)
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    return CropTransform.from_box([*(middle - size / 2), *(middle + size / 2)], size, 0.0, rotation=degrees)


def _shrink(image: Array, factor: int) -> Array:
    height, width = image.shape[:2]
    rows, columns = -height % factor, -width % factor
    if rows or columns:  # whole blocks only, so that every block's center is where the convention says
        image = cv2.copyMakeBorder(image, 0, rows, 0, columns, cv2.BORDER_REPLICATE)
    size = (image.shape[1] // factor, image.shape[0] // factor)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
