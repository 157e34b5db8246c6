"""Writes the figures of docs/faces.md: `python benchmarks/pose/figures.py`.

The signs of yaw, pitch and roll on turned heads, and the aligned crops of each template. The face is
that of examples/astronaut.jpg, a photo by NASA in the public domain.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from head import TexturedHead
from numpy.typing import NDArray

import efficientfan
from efficientfan.align import TEMPLATES
from efficientfan.draw import add_dot, add_line, contact_sheet
from efficientfan.imaging import read_rgb
from efficientfan.pose import Pose

Array = NDArray[Any]

ROOT = Path(__file__).parents[2]
FIGURES = ROOT / "docs" / "figures" / "faces"
SIZE, FOCAL, DISTANCE = 400, 1100.0, 10.0
COLORS = (
    (235, 64, 52),
    (70, 190, 90),
    (60, 120, 240),
)  # of the head's axes: x red, y green, towards the nose blue


def with_axes(picture: Array, pose: Pose) -> Array:
    """The picture with the head's axes at the tip of the nose: to the person's left, down, and forwards."""
    canvas = picture.copy()
    nose = efficientfan.head_shape()[30]
    ends = nose + np.array([[0, 0, 0], [0.8, 0, 0], [0, 0.8, 0], [0, 0, -0.8]])
    seen = ends @ pose.rotation.T + pose.translation
    start, *tips = FOCAL * seen[:, :2] / seen[:, 2:] + (SIZE - 1) / 2
    for tip, color in zip(tips, COLORS, strict=True):
        add_line(canvas, start, tip, color, 4)
        add_dot(canvas, tip, 6, color)
    return canvas


def signs(head: TexturedHead) -> Array:
    """A sheet of heads: none turned, and each angle to both sides."""
    turns = {
        **{"yaw +40: to the right": (40, 0, 0), "pitch +25: up": (0, 25, 0), "roll +30": (0, 0, 30)},
        **{"yaw -40: to the left": (-40, 0, 0), "pitch -25: down": (0, -25, 0), "roll -30": (0, 0, -30)},
    }
    pictures = []
    for turn in turns.values():
        pose = Pose.from_angles(*turn, translation=(0, 0, DISTANCE))
        pictures.append(with_axes(head.render(pose, np.ones(3), FOCAL, SIZE), pose))
    return contact_sheet(pictures, 3, list(turns), cell=260)


def main() -> None:
    portrait, predictor = read_rgb(ROOT / "examples" / "astronaut.jpg"), efficientfan.load()
    (face,) = predictor(portrait)
    efficientfan.write_image(FIGURES / "signs.jpg", signs(TexturedHead.from_portrait(portrait, face)))
    crops = {name: face.align(portrait, 224, name) for name in TEMPLATES}
    crops |= {f"{name}, margin 0.5": face.align(portrait, 224, name, 0.5) for name in TEMPLATES}
    sheet = contact_sheet(list(crops.values()), len(TEMPLATES), list(crops))
    efficientfan.write_image(FIGURES / "crops.jpg", sheet)


if __name__ == "__main__":
    main()
