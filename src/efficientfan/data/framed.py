"""AFLW's crops laid into large grey frames: faces in every pose, to be searched for where they may be anywhere.

The crop is enlarged to 240 pixels and stands at a place of a 900 pixel frame that the face's name alone decides,
so that a part of the set holds the same photos as the whole.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from efficientfan.data.readers.aflw68 import read_aflw68
from efficientfan.errors import InputError
from efficientfan.geometry import cells_to_pixels
from efficientfan.imaging import read_rgb
from efficientfan.schema import get_schema
from efficientfan.structures import BoxTrust, Scene

__all__ = ["FACE_CROP", "FRAME", "read_framed", "read_framed_aflw68"]

Array = NDArray[Any]

FRAME, FACE_CROP = 900, 240
"""Side of the grey frame, and of the crop in it, in pixels."""

_CROP_SIDE = 120
_GREY = 128


def read_framed_aflw68(root: Path, split: str) -> list[Scene]:
    """A scene of one face for each face of `aflw68`; its photo is `read_framed(scene)`, not the file itself.

    Raises:
        InputError: as `read_aflw68`.
    """
    scenes = []
    for face in read_aflw68(root, split, get_schema("ibug68")):
        corners = cells_to_pixels(face.tight_box.reshape(2, 2), FACE_CROP / _CROP_SIDE) + _corner(face.name)
        scenes.append(
            Scene(
                face.image, corners.reshape(1, 4), np.array([BoxTrust.LABELLED]), face.attributes, face.name
            )
        )
    return scenes


def read_framed(scene: Scene) -> Array:
    """The frame of a scene of `read_framed_aflw68`: FRAME x FRAME x 3 uint8 RGB.

    Raises:
        InputError: the crop cannot be read, or has another size than AFLW's crops.
    """
    crop = read_rgb(scene.image)
    if crop.shape[:2] != (_CROP_SIDE, _CROP_SIDE):
        raise InputError(f"{scene.image}: a crop of aflw68 has {_CROP_SIDE} x {_CROP_SIDE} pixels")
    x, y = _corner(scene.name)
    frame = np.full((FRAME, FRAME, 3), _GREY, np.uint8)
    frame[y : y + FACE_CROP, x : x + FACE_CROP] = cv2.resize(
        crop, (FACE_CROP, FACE_CROP), interpolation=cv2.INTER_CUBIC
    )
    return frame


def _corner(name: str) -> Array:
    """(x, y) of the crop's first pixel in the frame."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return np.random.default_rng(seed).integers(0, FRAME - FACE_CROP, 2)
