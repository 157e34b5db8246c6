"""A head in three dimensions: where the landmarks of a neutral face lie.

**Axes.** Those of a camera before the face: x to the right on the screen (the person's left), y down, z away from
the camera, so the tip of the nose has the smallest z. The origin lies midway between the outer corners of the eyes.

**Where the numbers come from.** They are our own, in millimeters, from the usual proportions of an adult face: 90
between the outer corners of the eyes and 36 between the inner ones, 51 from the root of the nose to its base, the tip
17 before the base, 52 from one corner of the mouth to the other, 114 from the eyes to the chin, 143 across the
cheekbones. Depths follow from how the face curves: the eyeballs rise 11 before the outer corners of the eyes, the
bridge of the nose is a straight line, the jaw runs back to the ears. One side is written down, the other is its mirror
image.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientfan.schema import LandmarkSchema, get_schema

__all__ = ["INTEROCULAR_MM", "head_shape", "steady_shape"]

Array = NDArray[Any]

INTEROCULAR_MM = 90.0
"""Distance between the outer corners of the eyes of the head below: the unit of `head_shape`."""

_MIDDLE = {
    "nose_bridge_0": (-2, -20),
    "nose_bridge_1": (11, -27.3),
    "nose_bridge_2": (24, -34.7),
    "nose_bridge_3": (37, -42),
    "nose_base_2": (49, -25),
    "outer_lip_3": (62, -28),
    "inner_lip_2": (67.5, -25),
    "inner_lip_6": (69.5, -24),
    "outer_lip_9": (80, -24),
}
"""Landmarks on the middle line: (y, z) in millimeters."""

_LEFT = {
    "left_eyebrow_0": (12, -17, -20),
    "left_eyebrow_1": (25, -22, -17),
    "left_eyebrow_2": (38, -24, -10),
    "left_eyebrow_3": (50, -21, 0),
    "left_eyebrow_4": (59, -14, 11),
    "left_eye_inner_corner": (18, 2, -8),
    "left_eye_top_inner": (27, -4.5, -11),
    "left_eye_top_outer": (36.5, -4.5, -8),
    "left_eye_outer_corner": (45, 0, 0),
    "left_eye_bottom_outer": (37, 4, -6),
    "left_eye_bottom_inner": (28, 4.5, -9),
    "nose_base_3": (7.5, 47.5, -22),
    "nose_base_4": (14.5, 45, -16),
    "outer_lip_4": (7, 60.5, -27.5),
    "outer_lip_5": (16, 62.5, -22),
    "outer_lip_6": (26, 67, -14),
    "outer_lip_7": (17, 76, -19),
    "outer_lip_8": (8, 80, -23),
    "inner_lip_3": (8, 67.2, -24.5),
    "inner_lip_4": (22.5, 67.5, -16),
    "inner_lip_5": (8, 69.3, -23.5),
}
"""Landmarks of the person's left side: (x, y, z) in millimeters."""

_MOVING = ("jaw", "inner_lip", *(f"outer_lip_{index}" for index in (7, 8, 9, 10, 11)))
"""Beginnings of the names of landmarks that say little of the head's pose: the chin and the lips move, and the
landmarks of the jaw slide along the outline when the head turns. Brows and lids move too, but less than they help."""

_ALSO_CALLED = {
    "nose_tip": "nose_bridge_3",
    "right_nose_wing": "nose_base_0",
    "left_nose_wing": "nose_base_4",
    "right_mouth_corner": "outer_lip_0",
    "left_mouth_corner": "outer_lip_6",
    "right_eyebrow_outer": "right_eyebrow_0",
    "right_eyebrow_middle": "right_eyebrow_2",
    "right_eyebrow_inner": "right_eyebrow_4",
    "left_eyebrow_inner": "left_eyebrow_0",
    "left_eyebrow_middle": "left_eyebrow_2",
    "left_eyebrow_outer": "left_eyebrow_4",
    **{f"right_eyebrow_top_{index}": f"right_eyebrow_{index + 1}" for index in range(4)},
    **{f"left_eyebrow_top_{index}": f"left_eyebrow_{3 - index}" for index in range(4)},
}
"""Names of other schemas: name -> name in iBUG-68."""


@cache
def _millimeters() -> dict[str, Array]:
    """Name of each iBUG-68 landmark -> (3,) place in millimeters."""
    places = {name: np.array([0.0, *place]) for name, place in _MIDDLE.items()}
    schema = get_schema("ibug68")
    mirrored = dict(enumerate(schema.flip_indices))
    left = {name: np.array(place, dtype=np.float64) for name, place in _LEFT.items()}
    for index in range(9):  # from the chin to the left ear
        t = np.pi / 2 * index / 8
        left[f"jaw_{8 + index}"] = np.array(
            [71.5 * np.sin(t) ** 0.8, 114 * np.cos(t) ** 1.2, -14 + 84 * (index / 8) ** 1.2]
        )
    for name, place in left.items():
        twin = schema.landmarks[mirrored[schema.landmarks.index(name)]]
        places[twin] = place * [-1, 1, 1]
        places[name] = place
    return places


def head_shape() -> Array:
    """(68, 3) float64: the iBUG-68 landmarks of a neutral head, in interocular distances (outer corners of the eyes).

    x to the person's left, y down, z away from the camera; the origin is midway between the outer corners of the eyes.
    """
    places = _millimeters()
    return np.stack([places[name] for name in get_schema("ibug68").landmarks]) / INTEROCULAR_MM


@cache
def steady_shape(schema: LandmarkSchema) -> Array:
    """(K, 3) float64, read-only: a schema's landmarks as in `head_shape`; NaN for those that move or are not known.

    Landmarks are known by their names, so that a schema of a user's own that uses the packaged names works as well.
    """
    places = _millimeters()
    steady = {name: place for name, place in places.items() if not name.startswith(_MOVING)}
    steady |= {name: places[known] for name, known in _ALSO_CALLED.items()}
    for side in ("right", "left"):
        outline = [place for name, place in places.items() if name.startswith(f"{side}_eye_")]
        steady[f"{side}_eye_center"] = np.mean(outline, axis=0)
    unknown = np.full(3, np.nan)
    shape = np.stack([steady.get(name, unknown) for name in schema.landmarks]) / INTEROCULAR_MM
    shape.flags.writeable = False
    return shape
