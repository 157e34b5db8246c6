"""Photos turned as a whole, on a frame that holds them: are faces found at any angle?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from efficientfan.data.scenes.mosaic import move_points
from efficientfan.imaging import photo_size, read_rgb, roll_photo, roll_transform
from efficientfan.structures import Scene

__all__ = ["read_rolled", "roll_scene"]

Array = NDArray[Any]


def roll_scene(scene: Scene, degrees: int) -> Scene:
    """The scene turned counter-clockwise; its photo is `read_rolled(scene)`, not the file itself."""
    transform = roll_transform(*photo_size(scene.image), degrees)
    return replace(
        scene,
        boxes=transform.apply_to_boxes(scene.boxes),
        points=move_points(scene.points, transform),
        attributes={**scene.attributes, "roll": degrees},
        name=f"{scene.name}@{degrees}",
    )


def read_rolled(scene: Scene) -> Array:
    """The photo of a scene of `roll_scene`: a square, H = W, uint8 RGB, gray where the photo does not reach.

    Raises:
        InputError: the photo cannot be read.
    """
    return roll_photo(read_rgb(scene.image), int(scene.attributes["roll"]))[0]
