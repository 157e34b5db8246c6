"""A picture of a head that is turned by known angles: the face of a portrait on the surface of our own head.

The surface is a height field over the frontal plane: a thin-plate spline through the 68 landmarks of
`efficientfan.head_shape` and through a few places of forehead, crown and neck. The same kind of spline says which pixel
of the portrait belongs to each place. Small quadrilaterals are drawn from the farthest to the nearest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from efficientfan.pose import Pose, head_shape
from efficientfan.structures import Face

__all__ = ["TexturedHead", "thin_plate"]

Array = NDArray[Any]

SKULL = np.array(
    [
        *([0, -60, -16], [-35, -60, -6], [35, -60, -6], [-62, -50, 28], [62, -50, 28]),  # forehead, temples
        *(
            [0, -95, 6],
            [-40, -95, 16],
            [40, -95, 16],
            [0, -125, 50],
            [-50, -112, 50],
            [50, -112, 50],
        ),  # crown
        *([-73, -45, 68], [73, -45, 68], [0, 132, 25], [-35, 128, 35], [35, 128, 35]),  # sides, neck
    ]
)
"""Places beside the landmarks, in millimeters (90 to the interocular distance)."""

STEP = 0.012  # interocular distances between the places that are drawn


def thin_plate(places: Array, values: Array) -> Any:
    """A function of (N, 2) places: the thin-plate spline through `values` (K, C) at `places` (K, 2)."""

    def kernel(where: Array) -> Array:
        squared = ((where[:, None] - places[None]) ** 2).sum(axis=-1)
        return squared * np.log(np.maximum(squared, 1e-12))

    plane = np.column_stack([np.ones(len(places)), places])
    system = np.block([[kernel(places), plane], [plane.T, np.zeros((3, 3))]])
    weights = np.linalg.solve(system, np.vstack([values, np.zeros((3, values.shape[1]))]))
    return lambda where: np.hstack([kernel(where), np.ones((len(where), 1)), where]) @ weights


@dataclass(frozen=True, eq=False)
class TexturedHead:
    """A grid of places on a head, (rows, columns, 3), and the color of each, uint8 RGB; NaN beyond the head."""

    places: Array
    colors: Array

    @classmethod
    def from_portrait(cls, portrait: Array, face: Face) -> TexturedHead:
        """From a frontal portrait, H x W x 3 uint8 RGB, and its 68 landmarks."""
        shape, skull = head_shape(), SKULL / 90
        known = np.vstack([shape, skull])
        depth = thin_plate(known[:, :2], known[:, 2:])
        pixel = thin_plate(shape[:, :2], face.points.astype(np.float64))
        x, y = np.meshgrid(np.arange(-0.9, 0.9, STEP), np.arange(-1.4, 1.52, STEP))
        flat = np.column_stack([x.ravel(), y.ravel()])
        places = np.column_stack([flat, depth(flat)]).reshape(*x.shape, 3)
        where = pixel(flat).astype(np.float32).reshape(*x.shape, 2)
        no_map = np.empty(0, np.float32)  # `where` holds both coordinates
        colors = cv2.remap(portrait, where, no_map, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        outline = cv2.convexHull(known[:, :2].astype(np.float32))
        beyond = [cv2.pointPolygonTest(outline, (float(a), float(b)), False) < 0 for a, b in flat]
        places[np.reshape(beyond, x.shape)] = np.nan
        return cls(places, colors)

    def render(self, pose: Pose, proportions: Array, focal: float, size: int = 480) -> Array:
        """The picture of a head of other proportions (factors of x, y, z): size x size x 3 uint8 RGB."""
        seen = self.places * proportions @ pose.rotation.T + pose.translation
        pixels = focal * seen[..., :2] / seen[..., 2:] + (size - 1) / 2
        corners = np.stack([pixels[:-1, :-1], pixels[:-1, 1:], pixels[1:, 1:], pixels[1:, :-1]], axis=2)
        depth = seen[:-1, :-1, 2]
        drawn = np.isfinite(corners).all(axis=(2, 3))
        order = np.argsort(-depth[drawn])
        quads = np.round(corners[drawn][order] * 16).astype(np.int32)
        colors = self.colors[:-1, :-1][drawn][order].astype(float).tolist()
        canvas = np.full((size, size, 3), 150, np.uint8)
        for quad, color in zip(quads, colors, strict=True):
            cv2.fillConvexPoly(canvas, quad, color, cv2.LINE_8, 4)
        return cv2.GaussianBlur(canvas, (3, 3), 0)
