"""Where a face is cut from: a box and the roll of the face, from a detector's points or from landmarks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efficientfan.errors import InputError
from efficientfan.geometry import BoxCorrection, CropTransform, box_iou
from efficientfan.schema import LandmarkSchema, convert_points

__all__ = [
    "SAME_CROP_IOU",
    "UPRIGHT",
    "FaceRegion",
    "agree",
    "region_of_landmarks",
    "region_of_proposal",
    "roll_of",
]

Array = NDArray[Any]

UPRIGHT = 15.0
"""A face that is rolled by less, in degrees, is cut upright: training rolls its faces further than that."""

SAME_CROP_IOU = 0.8
SAME_CROP_ROLL = 12.0
"""A second crop whose box overlaps the first one's by that, at a roll that differs by less, would show the same."""

LOST_IOU = 0.2
"""Below this IoU with the box that was searched, landmarks are not taken for the face's."""


@dataclass(frozen=True, eq=False)
class FaceRegion:
    """Where a face is cut from.

    Attributes:
        box: (4,) float64 xyxy in image pixels, as wide and high as the face would be if it was upright.
        roll: degrees by which the face is turned counter-clockwise on the screen; the crop undoes it.
    """

    box: Array
    roll: float = 0.0

    def crop(self, size: int, margin: float) -> CropTransform:
        """The upright crop around it, `size` pixels a side (`CropTransform.from_box`)."""
        return CropTransform.from_box(self.box, size, margin, rotation=-self.roll)

    def turned(self, degrees: float) -> FaceRegion:
        """The same box for a face that is rolled by so much more."""
        return FaceRegion(self.box, 180 - (180 - self.roll - degrees) % 360)


def roll_of(five: ArrayLike) -> float:
    """Roll in degrees, in (-180, 180], counter-clockwise on the screen, of (5, 2) points of schema "five".

    From the middle of the eyes to the middle of the mouth, which keeps its direction when the head turns. NaN where a
    point is unknown.

    >>> roll_of([[0, 0], [10, 0], [5, 5], [2, 10], [8, 10]])
    0.0
    >>> roll_of([[0, 10], [0, 0], [5, 5], [10, 8], [10, 2]])
    90.0
    """
    points = np.asarray(five, dtype=np.float64)
    x, y = points[3:5].mean(axis=0) - points[:2].mean(axis=0)
    return float(np.degrees(np.arctan2(x, y)))


def region_of_proposal(box: Array, five: Array | None) -> FaceRegion:
    """From a detector's (4,) xyxy box and its (5, 2) points, if there are any."""
    roll = _cut_roll(np.nan if five is None else roll_of(five))
    box = np.asarray(box, dtype=np.float64)
    if roll == 0.0:
        return FaceRegion(box)
    # The box of a turned face says little of its own width and height: its mean side, squared.
    half = (box[2:] - box[:2]).mean() / 2
    center = (box[:2] + box[2:]) / 2
    return FaceRegion(np.concatenate([center - half, center + half]), roll)


def region_of_landmarks(
    points: Array, schema: LandmarkSchema, searched: FaceRegion, correction: BoxCorrection | None = None
) -> FaceRegion:
    """From (K, 2) landmarks, image pixels; `searched` itself where they have left it.

    Its box is tight around them, or what the correction (`ModelSpec.crop_box`) makes of that. Landmarks of a schema
    without eyes and mouth keep the roll that was searched.
    """
    try:
        roll = _cut_roll(roll_of(convert_points(points, schema, "five")))
    except InputError:
        roll = searched.roll
    angle = np.radians(roll)
    right, down = np.array([np.cos(angle), -np.sin(angle)]), np.array([np.sin(angle), np.cos(angle)])
    across, along = points @ right, points @ down
    tight = np.array([across.min(), along.min(), across.max(), along.max()])  # in the face's own frame
    box = tight if correction is None else correction.apply(tight[None])[0]
    center = (box[0] + box[2]) / 2 * right + (box[1] + box[3]) / 2 * down
    half = (box[2:] - box[:2]) / 2
    found = FaceRegion(np.concatenate([center - half, center + half]), roll)
    return found if (half > 0).all() and box_iou(found.box, searched.box)[0, 0] >= LOST_IOU else searched


def agree(first: FaceRegion, second: FaceRegion) -> bool:
    """Whether a crop of the second would show what the first has shown."""
    apart = abs((first.roll - second.roll + 180) % 360 - 180)
    return bool(apart <= SAME_CROP_ROLL and box_iou(first.box, second.box)[0, 0] >= SAME_CROP_IOU)


def _cut_roll(roll: float) -> float:
    return roll if abs(roll) > UPRIGHT else 0.0
