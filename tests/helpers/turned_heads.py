"""Landmarks of heads that are turned by known angles: the neutral head, or one of other proportions."""

from __future__ import annotations

import numpy as np

from efficientfan.pose import Pose, head_shape
from efficientfan.schema import convert_points, get_schema
from efficientfan.structures import Face

__all__ = ["face_of", "project", "turned_head"]

IBUG = get_schema("ibug68")


def project(
    places: np.ndarray, pose: Pose, focal: float, middle: tuple[float, float] = (0.0, 0.0)
) -> np.ndarray:
    """(K, 2) pixels of (K, 3) places on a head that is turned and moved by `pose`."""
    seen = places @ pose.rotation.T + pose.translation
    return focal * seen[:, :2] / seen[:, 2:] + middle


def face_of(points: np.ndarray, schema: str = "ibug68", **values: object) -> Face:
    """A face with these landmarks, all of score 1."""
    arrays = {"box": [0, 0, 1, 1], "scores": np.ones(len(points)), **values}
    return Face(points=points, schema=get_schema(schema), **arrays)


def turned_head(
    yaw: float,
    pitch: float,
    roll: float,
    *,
    distance: float = 30.0,
    interocular: float = 100.0,
    places: np.ndarray | None = None,
    schema: str = "ibug68",
) -> Face:
    """A head that looks into the camera from `distance` interocular distances, turned by these degrees."""
    pose = Pose.from_angles(yaw, pitch, roll, (0, 0, distance))
    points = project(head_shape() if places is None else places, pose, interocular * distance, (200, 150))
    return face_of(convert_points(points, "ibug68", schema), schema)
