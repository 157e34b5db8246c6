"""Pictures of annotated scenes: whose box is whose, by colour."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efficientfan.canvas import Colour, add_rectangle
from efficientfan.data.scene_sets import SceneSet
from efficientfan.draw import contact_sheet
from efficientfan.structures import BoxTrust

__all__ = ["TRUST_COLOURS", "add_trusted_boxes", "scene_sheet"]

Array = NDArray[Any]

TRUST_COLOURS: dict[BoxTrust, Colour] = {
    BoxTrust.LABELLED: (120, 230, 120),
    BoxTrust.UNCHECKED: (72, 160, 255),
    BoxTrust.IGNORED: (150, 150, 150),
}
"""Green must be found, blue nobody checked, grey is ignored."""


def add_trusted_boxes(canvas: Array, boxes: ArrayLike, trust: ArrayLike, width: float = 1) -> None:
    """Draw (N, 4) xyxy boxes into an H x W x 3 uint8 RGB canvas, each in the colour of its trust (N,)."""
    for box, kind in zip(np.reshape(boxes, (-1, 4)), np.reshape(trust, -1), strict=True):
        add_rectangle(canvas, box, TRUST_COLOURS[BoxTrust(int(kind))], width)


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
