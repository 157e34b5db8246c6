"""Photos with faces to run on: the user's, or 1080p ones that are made here (the package ships no photo)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from efficientfan.errors import InputError
from efficientfan.geometry import CropTransform, box_of_points
from efficientfan.imaging import read_rgb, warp, write_image
from efficientfan.predict.detectors import FaceDetector
from efficientfan.predict.photos import find_photos
from efficientfan.schema import get_schema

__all__ = ["FacePhoto", "cut_crops", "draw_photo", "made_photos", "photos_with_faces", "portrait_photo"]

Array = NDArray[Any]

_SKIN, _BROW, _EYE, _LIP = (214, 160, 130), (70, 45, 30), (250, 250, 250), (180, 60, 70)
_MOST_PHOTOS = 50

_HEAD = (125, 33, 325, 233)
_FACE = (179, 88, 272, 178)
"""In scikit-image's portrait (Eileen Collins, NASA, public domain): what is laid into a photo, and the landmarks."""


@dataclass(frozen=True)
class FacePhoto:
    """A photo and where its faces are.

    Attributes:
        path: the file.
        image: H x W x 3 uint8 RGB.
        boxes: (N, 4) xyxy, N >= 1.
    """

    path: Path
    image: Array
    boxes: Array


def photos_with_faces(folder: str | Path, detector: FaceDetector) -> list[FacePhoto]:
    """The photos of a folder in which the detector finds a face, at most 50 of them.

    Raises:
        InputError: no photos, an unreadable one, or no face in any.
    """
    photos = []
    for photo in find_photos([folder])[:_MOST_PHOTOS]:
        image = read_rgb(photo.path)
        boxes = detector.detect(image).boxes
        if len(boxes):
            photos.append(FacePhoto(Path(photo.path), image, boxes))
    if not photos:
        raise InputError(f"{folder}: {detector.name} finds no face in its photos; choose others")
    return photos


def made_photos(
    folder: str | Path, counts: Sequence[int] = (1, 5, 50), seed: int = 0
) -> dict[str, FacePhoto]:
    """1080p photos by name, such as "1080p, 5 portraits", written to `folder` as JPEG files.

    They show a real face where scikit-image is installed, and drawn ones, of which detectors miss some, elsewhere.
    """
    portrait = _portrait()
    photos = {}
    for count in dict.fromkeys(counts):
        if portrait is None:
            kind, (image, boxes) = "drawn face", draw_photo(count, seed=seed)
        else:
            kind, (image, boxes) = "portrait", portrait_photo(count, portrait, seed=seed)
        path = Path(folder) / f"faces_{count}.jpg"
        write_image(path, image)
        name = f"1080p, {count} {kind}{'' if count == 1 else 's'}"
        photos[name] = FacePhoto(path, read_rgb(path), boxes)
    return photos


def _portrait() -> Array | None:
    """The 512 x 512 RGB portrait of scikit-image; None where that is not installed."""
    try:
        from skimage.data import astronaut
    except ImportError:
        return None
    return np.asarray(astronaut())


def portrait_photo(
    faces: int, portrait: Array, *, size: tuple[int, int] = (1920, 1080), seed: int = 0
) -> tuple[Array, Array]:
    """One face many times, in several sizes and shades and every second time mirrored, on a grid over soft noise.

    Args:
        faces: how many.
        portrait: 512 x 512 x 3 uint8 RGB, of `skimage.data.astronaut`.
        size: width and height in pixels.
        seed: of sizes, places and shades.

    Returns:
        (H, W, 3) uint8 RGB, and the (faces, 4) xyxy boxes of the landmarks.
    """
    rng = np.random.default_rng(seed)
    image, cells = _background(faces, size, rng)
    left, top, right, bottom = _HEAD
    head = portrait[top:bottom, left:right]
    boxes = []
    for index, (x0, y0, width, height) in enumerate(cells):
        side = int(rng.uniform(0.75, 1) * min(width, height))
        x = int(x0 + rng.uniform(0, width - side))
        y = int(y0 + rng.uniform(0, height - side))
        scale = side / (right - left)
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        copy = cv2.resize(head, (side, side), interpolation=method)
        copy = cv2.convertScaleAbs(copy, alpha=rng.uniform(0.7, 1.1))
        # Edges of pixels: `boxes` counts from the center of pixel 0.
        face = (np.array(_FACE, np.float64).reshape(2, 2) + 0.5 - (left, top)) * scale
        if index % 2:
            copy = copy[:, ::-1]
            face[:, 0] = side - face[::-1, 0]
        image[y : y + side, x : x + side] = copy
        boxes.append((face + np.array([x, y]) - 0.5).ravel())
    return image, np.array(boxes, np.float32)


def _background(
    faces: int, size: tuple[int, int], rng: np.random.Generator
) -> tuple[Array, list[tuple[float, float, float, float]]]:
    """Soft noise, and a cell of it for each face: left, top, width, height."""
    width, height = size
    noise = rng.integers(40, 216, (height // 40, width // 40, 3), np.uint8)
    image = np.asarray(cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC))
    columns = int(np.ceil(np.sqrt(faces * width / height)))
    rows = int(np.ceil(faces / columns))
    across, along = width / columns, height / rows
    places = [divmod(index, columns) for index in range(faces)]
    return image, [(column * across, row * along, across, along) for row, column in places]


def draw_photo(faces: int, *, size: tuple[int, int] = (1920, 1080), seed: int = 0) -> tuple[Array, Array]:
    """Faces on a grid over soft noise.

    Args:
        faces: how many.
        size: width and height in pixels.
        seed: of places and colors.

    Returns:
        (H, W, 3) uint8 RGB, and the (faces, 4) xyxy boxes of the landmarks.
    """
    rng = np.random.default_rng(seed)
    image, cells = _background(faces, size, rng)
    layout = np.array(get_schema("ibug68").layout)
    layout = layout - (layout.min(axis=0) + layout.max(axis=0)) / 2
    boxes = []
    for x0, y0, width, height in cells:
        side = 0.6 * min(width, height)
        center = np.array([x0 + width / 2, y0 + height / 2])
        points = layout * side + center + rng.uniform(-0.1, 0.1, 2) * side
        _draw_face(image, points, rng.uniform(0.7, 1.1))
        boxes.append(box_of_points(points))
    return image, np.array(boxes, np.float32)


def _draw_face(image: Array, points: Array, shade: float) -> None:
    shift = 4  # fractional bits: OpenCV then draws at sub-pixel positions
    fixed = np.round(points * (1 << shift)).astype(np.int32)

    def fill(outline: Array, color: tuple[int, int, int]) -> None:
        tone = tuple(int(min(255, value * shade)) for value in color)
        cv2.fillPoly(image, [outline], tone, cv2.LINE_AA, shift)

    fill(cv2.convexHull(fixed[:27]), _SKIN)
    for part, color in ((slice(36, 42), _EYE), (slice(42, 48), _EYE), (slice(48, 60), _LIP)):
        fill(fixed[part], color)
    thick = max(1, round(float(np.ptp(points[:, 0])) / 40))
    for part in (slice(17, 22), slice(22, 27), slice(27, 31), slice(31, 36)):
        cv2.polylines(image, [fixed[part]], False, _BROW, thick, cv2.LINE_AA, shift)


def cut_crops(photos: Sequence[FacePhoto], size: int, margin: float, most: int = 64) -> Array:
    """(N, size, size, 3) uint8 crops of the photos' faces as a model wants them, at most `most`."""
    crops = [
        warp(photo.image, [CropTransform.from_box(box, size, margin) for box in photo.boxes[:most]])
        for photo in photos
    ]
    return np.concatenate(crops)[:most]
