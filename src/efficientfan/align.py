"""Aligned crops: faces cut out so that eyes and mouth lie in the same places, as recognition and generation need them.

Each template is a square that is laid on the face; `TEMPLATES` has their names and sources.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efficientfan.errors import InputError, unknown
from efficientfan.geometry import CropTransform, as_boxes, box_of_points
from efficientfan.imaging import ImageLike, PhotoPyramid, to_rgb, warp
from efficientfan.schema import convert_points
from efficientfan.structures import Face

__all__ = ["TEMPLATES", "Template", "align_transform", "crop_faces", "similarity"]

Array = NDArray[Any]

Template: TypeAlias = Literal["arcface", "ffhq", "upright", "box"]

TEMPLATES: dict[str, str] = {
    "arcface": "five points at fixed places of a 112 x 112 crop, for face recognition (InsightFace; Deng et al., "
    "ArcFace, CVPR 2019)",
    "ffhq": "an oriented square around eyes and mouth, with hair and chin, for generative models (Karras et al., "
    "Progressive Growing of GANs, ICLR 2018, appendix C; used for CelebA-HQ and FFHQ)",
    "upright": "the square around all landmarks, turned so that the face is upright",
    "box": "the square around all landmarks, not turned",
}
"""Name of each template -> what it is and where it comes from."""

LARGEST = 8192
"""Pixels: the longest side of a crop."""

ARCFACE = ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041))
"""(5, 2) places of schema "five" in pixels of a crop of 112 x 112."""


def crop_faces(
    image: ImageLike,
    faces: Sequence[Face],
    *,
    size: int = 112,
    template: Template = "arcface",
    margin: float = 0.0,
) -> Array:
    """Aligned crops of the faces of an image. What lies outside of the image is black.

    Args:
        image: what the landmarks were found in: H x W x 3 uint8 RGB, a path, or another image as for a predictor.
        faces: N faces in pixels of the image.
        size: side of the crops in pixels.
        template: name of `TEMPLATES`.
        margin: share by which the square around the face grows; 0.25 shows a quarter more in width and height.

    Returns:
        (N, size, size, 3) uint8 RGB.

    Raises:
        InputError: an unreadable image, an unknown template, a size or margin that leaves no crop, or a face of a
            schema without the five points.
    """
    transforms = [align_transform(face, size, template, margin) for face in faces]
    if not transforms:
        return np.zeros((0, size, size, 3), np.uint8)
    return warp(PhotoPyramid(to_rgb(image)), transforms)


def align_transform(
    face: Face, size: int = 112, template: Template = "arcface", margin: float = 0.0
) -> CropTransform:
    """The transform from image pixels to the pixels of the aligned crop; `apply` moves the landmarks along.

    Args:
        face: of a schema that has the five points (`convert_points` to "five"); for "box", of any schema.
        size: side of the crop in pixels.
        template: name of `TEMPLATES`.
        margin: as for `crop_faces`.

    Raises:
        InputError: as for `crop_faces`.
    """
    if template not in TEMPLATES:
        raise unknown("template", str(template), list(TEMPLATES))
    if not 1 <= size <= LARGEST or not -1 < margin < math.inf:
        raise InputError(
            f"a crop has 1 to {LARGEST} pixels a side and a finite margin above -1, not {size} and {margin}"
        )
    points = face.points.astype(np.float64)
    if template == "box":
        return _square(points, np.array([1.0, 0.0]), size, margin)
    five = convert_points(points, face.schema, "five")
    if not np.isfinite(five).all():
        raise InputError("a face is aligned by eyes, nose and mouth; one of them has no place")
    if template == "arcface":
        places = _widened((np.array(ARCFACE) + 0.5) * size / 112 - 0.5, size, margin)
        return CropTransform(similarity(five, places), size)
    eyes, mouth = five[:2].mean(axis=0), five[3:].mean(axis=0)
    if template == "upright":
        down = mouth - eyes
        if not np.linalg.norm(down) > 0:
            raise InputError("a face is turned upright by eyes and mouth, which coincide")
        return _square(points, np.array([down[1], -down[0]]) / np.linalg.norm(down), size, margin)
    return _ffhq(eyes, mouth, five[1] - five[0], size, margin)


def similarity(source: ArrayLike, target: ArrayLike) -> Array:
    """The similarity (turn, scale, shift; no mirror image) that moves points nearest to others, by least squares.

    Umeyama, Least-squares estimation of transformation parameters between two point patterns, PAMI 1991, in its closed
    form for the plane.

    Args:
        source: (K, 2), at least two different points.
        target: (K, 2).

    Returns:
        (2, 3) float64, (x, y, 1) of the source -> (x, y) of the target.

    Raises:
        InputError: other shapes, values that are not finite, or points that coincide.

    >>> similarity([[0, 0], [1, 0]], [[5, 5], [5, 7]]).round(9).tolist()
    [[0.0, -2.0, 5.0], [2.0, 0.0, 5.0]]
    """
    a, b = np.asarray(source, dtype=np.float64), np.asarray(target, dtype=np.float64)
    if a.ndim != 2 or a.shape[1] != 2 or a.shape != b.shape:
        raise InputError(f"points of a similarity have the same shape (K, 2), not {a.shape} and {b.shape}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise InputError("points of a similarity are finite")
    from_middle, to_middle = a.mean(axis=0), b.mean(axis=0)
    p, q = a - from_middle, b - to_middle
    spread = (p**2).sum()
    if not spread > 0:
        raise InputError("points of a similarity must not coincide")
    along = (p * q).sum() / spread
    across = (p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]).sum() / spread
    linear = np.array([[along, -across], [across, along]])
    return np.column_stack([linear, to_middle - linear @ from_middle])


def _widened(places: Array, size: int, margin: float) -> Array:
    """Places in a crop that shows more around them."""
    middle = (size - 1) / 2
    return np.asarray(middle + (places - middle) / (1 + margin))


def _laid(middle: Array, right: Array, side: float, size: int, margin: float) -> CropTransform:
    """The crop of a square: its middle, the unit vector to its right, and its side, in image pixels."""
    scale = size / (side * (1 + margin))
    linear = scale * np.array([right, [-right[1], right[0]]])
    return CropTransform(np.column_stack([linear, (size - 1) / 2 - linear @ middle]), size)


def _square(points: Array, right: Array, size: int, margin: float) -> CropTransform:
    """The square around all points, with its lower edge along `right`."""
    known = points[np.isfinite(points).all(axis=1)]
    turned = np.column_stack([known @ right, known @ [-right[1], right[0]]])
    x0, y0, x1, y1 = as_boxes(box_of_points(turned))[0]
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    middle = x * right + y * np.array([-right[1], right[0]])
    return _laid(middle, right, max(x1 - x0, y1 - y0), size, margin)


def _ffhq(eyes: Array, mouth: Array, between: Array, size: int, margin: float) -> CropTransform:
    """From the middles of eyes and mouth, and the way from the right to the left eye."""
    down = mouth - eyes
    across = between + np.array(
        [down[1], -down[0]]
    )  # the eyes' direction and that square to the face's height
    length = np.linalg.norm(across)
    if not length > 0:
        raise InputError("a face is aligned by eyes and mouth, which coincide")
    side = max(4.0 * float(np.linalg.norm(between)), 3.6 * float(np.linalg.norm(down)))
    return _laid(eyes + 0.1 * down, across / length, side, size, margin)
