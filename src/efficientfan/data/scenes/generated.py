"""Photos that are made in memory for detection data: AFLW's crops in large gray frames, and drawings without a face.

A crop of AFLW is enlarged to 240 pixels and placed in a frame of 900 pixels, at a position derived from the face's name
alone, so that a subset holds the same photos as the whole set. Everything found in the drawings is a false alarm.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
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

__all__ = [
    "FACE_CROP",
    "FRAME",
    "draw_non_face",
    "non_face_scenes",
    "read_framed",
    "read_framed_aflw68",
]

Array = NDArray[Any]

FRAME, FACE_CROP = 900, 240
"""Side of the gray frame, and of the crop in it, in pixels."""

_CROP_SIDE = 120
_GRAY = 128


def read_framed_aflw68(root: Path, split: str) -> list[Scene]:
    """A scene of one face for each face of `aflw68`; its photo is `read_framed(scene)`, not the file itself.

    Raises:
        InputError: as `read_aflw68`.
    """
    scenes = []
    for face in read_aflw68(root, split, get_schema("ibug68")):
        corners = cells_to_pixels(face.tight_box.reshape(2, 2), FACE_CROP / _CROP_SIDE) + _corner(face.name)
        scenes.append(
            Scene(face.image, corners.reshape(1, 4), np.array([BoxTrust.LABELED]), face.attributes, face.name)
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
    frame = np.full((FRAME, FRAME, 3), _GRAY, np.uint8)
    frame[y : y + FACE_CROP, x : x + FACE_CROP] = cv2.resize(
        crop, (FACE_CROP, FACE_CROP), interpolation=cv2.INTER_CUBIC
    )
    return frame


def _corner(name: str) -> Array:
    """(x, y) of the crop's first pixel in the frame."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return np.random.default_rng(seed).integers(0, FRAME - FACE_CROP, 2)


_EACH = 16
_SIZES = ((640, 480), (480, 640), (384, 384), (900, 300))
"""(width, height) of the pictures of a kind, in turn."""


def non_face_scenes(root: Path, split: str) -> list[Scene]:
    """Scenes without a box, a few of each kind; `draw_non_face` makes their pictures. No file is read."""
    return [
        Scene(Path(f"{kind}_{number}"), np.zeros((0, 4)), np.zeros(0), {"kind": kind, "number": number})
        for kind in _KINDS
        for number in range(_EACH)
    ]


def draw_non_face(scene: Scene) -> Array:
    """The picture of a scene of `non_face_scenes`: H x W x 3 uint8 RGB, the same each time."""
    kind, number = str(scene.attributes["kind"]), int(scene.attributes["number"])
    width, height = _SIZES[number % len(_SIZES)]
    rng = np.random.default_rng([list(_KINDS).index(kind), number])
    return np.ascontiguousarray(_KINDS[kind](rng, width, height))


def _flat(rng: np.random.Generator, width: int, height: int) -> Array:
    return np.broadcast_to(rng.integers(0, 256, 3, dtype=np.uint8), (height, width, 3))


def _noise(rng: np.random.Generator, width: int, height: int) -> Array:
    """Independent pixels, or blotches of up to 32 pixels."""
    cell = 2 ** int(rng.integers(0, 6))
    cells = rng.integers(0, 256, (height // cell + 1, width // cell + 1, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(cells, (width, height), interpolation=cv2.INTER_CUBIC))


def _ramp(rng: np.random.Generator, width: int, height: int) -> Array:
    """A smooth gradient between four colors."""
    corners = rng.uniform(0, 255, (2, 2, 3)).astype(np.float32)
    return np.asarray(cv2.resize(corners, (width, height), interpolation=cv2.INTER_LINEAR)).astype(np.uint8)


def _pattern(rng: np.random.Generator, width: int, height: int) -> Array:
    """Checks or stripes."""
    step, (dark, light) = int(rng.integers(4, 60)), rng.integers(0, 256, (2, 3), dtype=np.uint8)
    rows, columns = np.indices((height, width)) // step
    odd = (rows + columns if rng.random() < 0.5 else columns) % 2 == 1
    return np.asarray(np.where(odd[..., None], dark, light))


def _shapes(rng: np.random.Generator, width: int, height: int) -> Array:
    """Discs, boxes and lines of any color over one another: round and brown objects that are not faces."""
    canvas: Array = np.array(_flat(rng, width, height), order="C")
    for _ in range(30):
        color = tuple(int(value) for value in rng.integers(0, 256, 3))
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        a, b = (int(value) for value in rng.integers(5, 90, 2))
        kind = rng.integers(0, 3)
        if kind == 0:
            cv2.ellipse(canvas, (x, y), (a, b), float(rng.uniform(0, 180)), 0, 360, color, -1, cv2.LINE_AA)
        elif kind == 1:
            cv2.rectangle(canvas, (x, y), (x + a, y + b), color, -1)
        else:
            cv2.line(canvas, (x, y), (x + 2 * a, y - b), color, 3, cv2.LINE_AA)
    return canvas


_KINDS: Mapping[str, Callable[[np.random.Generator, int, int], Array]] = {
    "flat": _flat,
    "noise": _noise,
    "ramp": _ramp,
    "pattern": _pattern,
    "shapes": _shapes,
}
