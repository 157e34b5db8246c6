"""Photos turned as a whole, on a frame that holds them: are faces found at any angle?"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from efficientfan.data.scenes.mosaic import move_boxes, move_points
from efficientfan.geometry import CropTransform
from efficientfan.imaging import read_rgb
from efficientfan.structures import Scene

__all__ = ["read_rolled", "roll_scene"]

Array = NDArray[Any]


def roll_scene(scene: Scene, degrees: int) -> Scene:
    """The scene turned counter-clockwise; its photo is `read_rolled(scene)`, not the file itself."""
    with Image.open(scene.image) as photo:  # the header alone; photos of `scenes` have no EXIF turn
        width, height = photo.size
    transform = _turn(width, height, degrees)
    return replace(
        scene,
        boxes=move_boxes(scene.boxes, transform),
        points=move_points(scene.points, transform),
        attributes={**scene.attributes, "roll": degrees},
        name=f"{scene.name}@{degrees}",
    )


def read_rolled(scene: Scene) -> Array:
    """The photo of a scene of `roll_scene`: a square, H = W, uint8 RGB, gray where the photo does not reach.

    Raises:
        InputError: the photo cannot be read.
    """
    photo = read_rgb(scene.image)
    transform = _turn(photo.shape[1], photo.shape[0], int(scene.attributes["roll"]))
    return np.asarray(
        cv2.warpAffine(
            photo,
            transform.matrix,
            (transform.size, transform.size),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(128, 128, 128),
        )
    )


def _turn(width: int, height: int, degrees: int) -> CropTransform:
    """Of a photo on a square frame that holds all of it, at its own scale."""
    angle = math.radians(degrees)
    across = abs(width * math.cos(angle)) + abs(height * math.sin(angle))
    along = abs(width * math.sin(angle)) + abs(height * math.cos(angle))
    size = math.ceil(max(across, along))
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    box = np.concatenate([middle - size / 2, middle + size / 2])
    return CropTransform.from_box(box, size, 0.0, rotation=degrees)
