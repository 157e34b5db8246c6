"""A picture of what a detection recipe trains on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientfan.data.dataset import Draw
from efficientfan.data.scene_pictures import ScenePictures
from efficientfan.data.scene_sheet import add_trusted_boxes
from efficientfan.draw import contact_sheet

__all__ = ["mosaic_sheet"]


def mosaic_sheet(pictures: ScenePictures, *, count: int = 12, seed: int = 0) -> NDArray[Any]:
    """Training pictures as the first epoch draws them, H x W x 3 uint8 RGB; boxes in `TRUST_COLOURS`.

    Args:
        pictures: training pictures.
        count: how many, chosen at random.
        seed: of that choice.
    """
    chosen = np.random.default_rng(seed).permutation(len(pictures))[:count]
    drawn = []
    for index in map(int, chosen):
        picture = pictures.picture(Draw(0, index))
        canvas = np.array(picture.image)
        add_trusted_boxes(canvas, picture.boxes, picture.trust)
        drawn.append(canvas)
    names = [pictures.scenes[int(index)].name for index in chosen]
    return contact_sheet(drawn, 4, names, pictures.size)
