"""Head pose: the rotation and the place of a head from its landmarks.

**Signs.** Yaw and pitch say where the nose points: yaw is positive to the right of the image (the person's left),
pitch is positive up. Roll is positive counter-clockwise on the screen, as everywhere in this package. A face that looks
straight into the camera, upright, has zero for all three. A mirrored face has the opposite yaw and roll and the same
pitch.

**Order.** The head turns by yaw around the vertical axis of the image, then by pitch around its own axis through the
ears, then by roll around its own axis through the nose: `rotation = Y(yaw) @ X(pitch) @ Z(roll)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from efficientfan.errors import InputError
from efficientfan.pose.head_shape import steady_shape
from efficientfan.structures import Face

__all__ = ["Pose", "head_pose"]

Array = NDArray[Any]

CAMERA_DISTANCE = 10.0
"""Interocular distances (about 0.9 m) from which a face is taken to be photographed where the camera is not known."""

UNSURE = 0.5
"""Landmarks that score below this share of the face's median score are left out."""


@dataclass(frozen=True, eq=False)
class Pose:
    """How a head is turned, and where it is.

    Attributes:
        rotation: (3, 3) float64, from the head's axes to the camera's. Both have x to the right, y down, z away from
            the camera; the head's are those of `head_shape`.
        translation: (3,) float64, the middle between the outer corners of the eyes in the camera's axes, in interocular
            distances: known up to the size of the head.
        error: root of the mean squared distance between the landmarks and those of the turned head, in pixels.
        n_points: number of landmarks that the pose was found from.

    Raises:
        InputError: an array of another shape, or a matrix that is not a rotation.
    """

    rotation: Array
    translation: Array
    error: float = 0.0
    n_points: int = 0

    def __post_init__(self) -> None:
        for name, shape in (("rotation", (3, 3)), ("translation", (3,))):
            array = np.array(getattr(self, name), dtype=np.float64)
            if array.shape != shape:
                raise InputError(f"Pose.{name} must have shape {shape}, not {array.shape}")
            object.__setattr__(self, name, array)
        rotation = self.rotation
        if not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-5) or np.linalg.det(rotation) < 0:
            raise InputError("Pose.rotation must be a rotation: orthonormal rows, determinant 1")

    @classmethod
    def from_angles(
        cls, yaw: float, pitch: float, roll: float, translation: ArrayLike = (0, 0, CAMERA_DISTANCE)
    ) -> Pose:
        """The pose with these angles, in degrees.

        >>> pose = Pose.from_angles(yaw=30, pitch=-10, roll=120)
        >>> round(pose.yaw, 9), round(pose.pitch, 9), round(pose.roll, 9)
        (30.0, -10.0, 120.0)
        """
        a, b, c = np.radians([yaw, pitch, roll])
        around_y = [[np.cos(a), 0, -np.sin(a)], [0, 1, 0], [np.sin(a), 0, np.cos(a)]]
        around_x = [[1, 0, 0], [0, np.cos(b), np.sin(b)], [0, -np.sin(b), np.cos(b)]]
        around_z = [[np.cos(c), np.sin(c), 0], [-np.sin(c), np.cos(c), 0], [0, 0, 1]]
        return cls(np.array(around_y) @ around_x @ around_z, np.asarray(translation))

    @property
    def yaw(self) -> float:
        """Degrees in [-180, 180]: where the nose points, + to the right of the image (the person's left)."""
        return float(np.degrees(np.arctan2(-self.rotation[0, 2], self.rotation[2, 2])))

    @property
    def pitch(self) -> float:
        """Degrees in [-90, 90]: where the nose points, + up."""
        return float(np.degrees(np.arcsin(np.clip(self.rotation[1, 2], -1, 1))))

    @property
    def roll(self) -> float:
        """Degrees in [-180, 180]: turn around the nose, + counter-clockwise on the screen."""
        return float(np.degrees(np.arctan2(-self.rotation[1, 0], self.rotation[1, 1])))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON: `yaw`, `pitch` and `roll` in degrees (two digits), `error` in pixels."""
        return {
            "yaw": round(self.yaw, 2),
            "pitch": round(self.pitch, 2),
            "roll": round(self.roll, 2),
            "error": round(self.error, 3),
        }


def head_pose(face: Face, *, image_size: tuple[int, int] | None = None, focal: float | None = None) -> Pose:
    """The pose of a head from those of its landmarks that move little: eyes, brows, nose, upper lip.

    Landmarks that are covered or turned away (`Face.unseen`), and those that score below half of the face's median, are
    left out. They are compared with the neutral head of `head_shape` by OpenCV: SQPnP, then Levenberg-Marquardt.

    Without `image_size` the camera is taken to look straight at the face from ten interocular distances (about 0.9 m):
    the angles are those between the head and the line of sight, wherever the face is in the photo. With it, the camera
    is a pinhole whose axis goes through the middle of the photo, and the angles are those to its axis.

    Args:
        face: of a schema with at least five of these landmarks: all packaged ones, and your own with their names.
        image_size: width and height of the photo in pixels.
        focal: focal length of the camera in pixels, with `image_size`; None: the photo's longer side, which is an angle
            of view of 53 degrees.

    Raises:
        InputError: fewer than five landmarks are left, they coincide, or a focal length without an image size.
    """
    shape = steady_shape(face.schema)
    points = face.points.astype(np.float64)
    sure = face.scores >= UNSURE * np.median(face.scores)
    use = np.isfinite(shape).all(axis=1) & np.isfinite(points).all(axis=1)
    enough = int(use.sum())
    use &= sure & ~face.unseen
    if use.sum() < 5:
        raise InputError(
            f"head pose needs five landmarks of eyes, brows, nose and mouth; of {face.schema.name} it knows {enough}, "
            f"of which {use.sum()} are visible and sure"
        )
    known, seen = shape[use], points[use]
    camera = _camera(known, seen, image_size, focal)
    try:
        found, turn, place = cv2.solvePnP(known, seen, camera, None, flags=cv2.SOLVEPNP_SQPNP)
        turn, place = cv2.solvePnPRefineLM(known, seen, camera, None, turn, place)
    except cv2.error:
        found = False
    if not found or not np.isfinite([turn, place]).all():
        raise InputError("head pose: the landmarks are not those of a face")
    again, _ = cv2.projectPoints(known, turn, place, camera, None)
    error = np.sqrt(((again[:, 0] - seen) ** 2).sum(axis=1).mean())
    rotation, _ = cv2.Rodrigues(turn)
    return Pose(rotation, place[:, 0], float(error), len(seen))


def _camera(known: Array, seen: Array, image_size: tuple[int, int] | None, focal: float | None) -> Array:
    """(3, 3) pinhole camera in pixels."""
    if image_size is None:
        if focal is not None:
            raise InputError("a focal length is of use only with image_size: say where the photo's middle is")
        spread, middle = seen - seen.mean(axis=0), seen.mean(axis=0)
        size = np.linalg.norm(spread) / np.linalg.norm((known - known.mean(axis=0))[:, :2])
        if size < 1e-6:
            raise InputError("head pose: the landmarks coincide")
        focal = CAMERA_DISTANCE * size
    else:
        width, height = image_size
        middle = np.array([(width - 1) / 2, (height - 1) / 2])
        focal = float(max(width, height)) if focal is None else focal
        if width < 1 or height < 1 or not focal > 0:
            raise InputError(f"image size and focal length are positive, not {image_size} and {focal}")
    return np.array([[focal, 0, middle[0]], [0, focal, middle[1]], [0, 0, 1]])
