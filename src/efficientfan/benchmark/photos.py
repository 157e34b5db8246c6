"""Photos with faces to run on: the user's, or drawn ones of 1, 5 and 50 faces (the package ships no photo)."""

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

__all__ = ["FacePhoto", "cut_crops", "draw_photo", "drawn_photos", "photos_with_faces"]

Array = NDArray[Any]

_SKIN, _BROW, _EYE, _LIP = (214, 160, 130), (70, 45, 30), (250, 250, 250), (180, 60, 70)
_MOST_PHOTOS = 50


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


def drawn_photos(
    folder: str | Path, counts: Sequence[int] = (1, 5, 50), seed: int = 0
) -> dict[str, FacePhoto]:
    """Drawn 1080p photos by name, such as "1080p, 5 faces", written to `folder` as JPEG files."""
    photos = {}
    for count in counts:
        image, boxes = draw_photo(count, seed=seed)
        path = Path(folder) / f"faces_{count}.jpg"
        write_image(path, image)
        name = f"1080p, {count} face{'' if count == 1 else 's'}"
        photos[name] = FacePhoto(path, read_rgb(path), boxes)
    return photos


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
    width, height = size
    noise = rng.integers(40, 216, (height // 40, width // 40, 3), np.uint8)
    image = np.asarray(cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC))
    columns = int(np.ceil(np.sqrt(faces * width / height)))
    rows = int(np.ceil(faces / columns))
    layout = np.array(get_schema("ibug68").layout)
    layout = layout - (layout.min(axis=0) + layout.max(axis=0)) / 2
    side = 0.6 * min(width / columns, height / rows)
    boxes = []
    for index in range(faces):
        row, column = divmod(index, columns)
        center = np.array([(column + 0.5) * width / columns, (row + 0.5) * height / rows])
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
