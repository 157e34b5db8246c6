"""Sheets of annotated photos and of training pictures, with boxes colored by trust."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efficientfan.data.scenes.catalog import SceneSet
from efficientfan.draw import Color, add_rectangle, contact_sheet
from efficientfan.structures import BoxTrust

if TYPE_CHECKING:
    from efficientfan.data.scenes.dataset import ScenePictures  # needs torch; looking at photos does not

__all__ = [
    "TRUST_COLORS",
    "add_trusted_boxes",
    "mosaic_sheet",
    "scene_sheet",
]

Array = NDArray[Any]

TRUST_COLORS: dict[BoxTrust, Color] = {
    BoxTrust.LABELED: (120, 230, 120),
    BoxTrust.UNCHECKED: (72, 160, 255),
    BoxTrust.IGNORED: (150, 150, 150),
}
"""Green: must be found; blue: not checked by a person; gray: ignored."""


def add_trusted_boxes(canvas: Array, boxes: ArrayLike, trust: ArrayLike, width: float = 1) -> None:
    """Draw (N, 4) xyxy boxes into an H x W x 3 uint8 RGB canvas, each in the color of its trust (N,)."""
    for box, kind in zip(np.reshape(boxes, (-1, 4)), np.reshape(trust, -1), strict=True):
        add_rectangle(canvas, box, TRUST_COLORS[BoxTrust(int(kind))], width)


def scene_sheet(scenes: SceneSet, count: int = 20, columns: int = 5, cell: int = 320) -> Array:
    """A picture of up to `count` annotated photos, spread evenly over the set; H x W x 3 uint8 RGB.

    Raises:
        InputError: one of them cannot be read.
    """
    chosen = scenes.spread(count)
    pictures = []
    for index, scene in enumerate(chosen.scenes):
        picture = np.array(chosen.read(index))
        add_trusted_boxes(picture, scene.boxes, scene.trust, max(picture.shape) / cell * 1.5)
        pictures.append(picture)
    return contact_sheet(pictures, columns, [scene.name for scene in chosen.scenes], cell)


def mosaic_sheet(pictures: ScenePictures, *, count: int = 12, seed: int = 0) -> NDArray[Any]:
    """Training pictures as the first epoch draws them, H x W x 3 uint8 RGB; boxes in `TRUST_COLORS`.

    Args:
        pictures: training pictures.
        count: how many, chosen at random.
        seed: of that choice.
    """
    chosen = np.random.default_rng(seed).permutation(len(pictures))[:count]
    drawn = []
    for index in map(int, chosen):
        picture = pictures.picture(index)
        canvas = np.array(picture.image)
        add_trusted_boxes(canvas, picture.boxes, picture.trust)
        drawn.append(canvas)
    names = [pictures.scenes[int(index)].name for index in chosen]
    return contact_sheet(drawn, 4, names, pictures.size)
