"""The value objects of the whole package: an annotated face, a found face, a photo's face boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from efficientfan.errors import InputError
from efficientfan.geometry import as_boxes, box_of_points
from efficientfan.schema import LandmarkSchema

if TYPE_CHECKING:
    from efficientfan.align import Template
    from efficientfan.imaging import ImageLike
    from efficientfan.pose import Pose

__all__ = [
    "OCCLUDED",
    "UNLABELED",
    "VISIBILITY_CLASSES",
    "VISIBLE",
    "Annotation",
    "BoxTrust",
    "Face",
    "Scene",
    "tight_boxes",
]

Array = NDArray[Any]

UNLABELED, OCCLUDED, VISIBLE = 0, 1, 2
"""Visibility flags, as in COCO: not labeled, labeled but covered, labeled and visible."""

VISIBILITY_CLASSES = ("visible", "covered", "turned_away")
"""What a network with a visibility head tells apart, in the order of its output: seen, behind something else
(a hand, hair, another face), and on the side of the head that is turned from the camera."""


@dataclass(frozen=True)
class Annotation:
    """One annotated face of a data set.

    Attributes:
        image: path of the photo.
        points: (K, 2) float64, (x, y) in image pixels (`efficientfan.geometry`); NaN where unlabeled.
        visibility: (K,) uint8 of `UNLABELED`, `OCCLUDED`, `VISIBLE`; zero exactly where `points` is NaN.
        box: (4,) float64 xyxy that came with the data set, or None.
        attributes: what else the data set says of the face (pose, blur, ...), JSON-like values.
        name: unique within the data set; stable between machines (never an absolute path).
    """

    image: Path
    points: Array
    visibility: Array
    box: Array | None = None
    attributes: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    name: str = ""

    def __post_init__(self) -> None:
        points = np.array(self.points, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != 2:
            raise InputError(f"{self.image}: points must have shape (K, 2), not {points.shape}")
        visibility = np.array(self.visibility, dtype=np.uint8)
        if visibility.shape != (len(points),):
            raise InputError(
                f"{self.image}: visibility must have shape ({len(points)},), not {visibility.shape}"
            )
        if visibility.size and visibility.max() > VISIBLE:
            raise InputError(f"{self.image}: visibility flags are 0, 1 or 2, not {visibility.max()}")
        visibility[~np.isfinite(points).all(axis=1)] = UNLABELED
        points[visibility == UNLABELED] = np.nan
        object.__setattr__(self, "points", points)
        object.__setattr__(self, "visibility", visibility)
        if self.box is not None:
            object.__setattr__(self, "box", as_boxes(self.box)[0])
        if not self.name:
            object.__setattr__(self, "name", self.image.name)

    @property
    def tight_box(self) -> Array:
        """(4,) xyxy box of the labeled points: what papers call the ground-truth box."""
        return box_of_points(self.points)


def tight_boxes(faces: Sequence[Annotation]) -> Array:
    """(N, 4) xyxy: the tight box of each of N faces.

    Raises:
        InputError: a face of fewer than two labeled points, or whose points span no area; names it.
    """
    boxes = []
    for face in faces:
        try:
            boxes.append(face.tight_box)
        except InputError as error:
            raise InputError(f"{face.name}: {error}; leave the face out or correct its labels") from error
        if not (boxes[-1][2:] > boxes[-1][:2]).all():
            raise InputError(f"{face.name}: its labeled points span no area; correct its labels")
    return np.array(boxes).reshape(-1, 4)


class BoxTrust(IntEnum):
    """What a face's box in a `Scene` is good for."""

    IGNORED = 0
    """Too small, too blurred or unsure: neither a face to be found nor background."""
    UNCHECKED = 1
    """Proposed by a detector that nobody checked: to be learned from, never to be counted."""
    LABELED = 2
    """Drawn by a person."""


@dataclass(frozen=True)
class Scene:
    """A photo and the boxes of its faces, maybe none.

    Attributes:
        image: path of the photo.
        boxes: (N, 4) float64 xyxy in image pixels, tight around the landmarks (from brows to chin).
        trust: (N,) uint8 of `BoxTrust`.
        attributes: what else the data set says of the photo, JSON-like values.
        name: unique within the data set; stable between machines (never an absolute path).
        points: (N, 5, 2) float64 of schema "five" in image pixels, NaN where unknown; all NaN if None.
        chances: (N,) float64 in (0, 1], how sure it is that there is a face; 1 if None.
    """

    image: Path
    boxes: Array
    trust: Array
    attributes: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    name: str = ""
    points: Array = None  # type: ignore[assignment]  # the default stands for NaN
    chances: Array = None  # type: ignore[assignment]  # and for ones

    def __post_init__(self) -> None:
        boxes, trust = as_boxes(self.boxes), np.array(self.trust, dtype=np.uint8)
        if trust.shape != (len(boxes),):
            raise InputError(f"{self.image}: {len(boxes)} boxes need as many trusts, not {trust.shape}")
        if trust.size and trust.max() > max(BoxTrust):
            raise InputError(f"{self.image}: trust is 0, 1 or 2, not {trust.max()}")
        points = (
            np.full((len(boxes), 5, 2), np.nan) if self.points is None else np.array(self.points, np.float64)
        )
        chances = np.ones(len(boxes)) if self.chances is None else np.array(self.chances, np.float64)
        if points.shape != (len(boxes), 5, 2) or chances.shape != (len(boxes),):
            raise InputError(
                f"{self.image}: {len(boxes)} boxes need points (N, 5, 2) and chances (N,), not {points.shape} and "
                f"{chances.shape}"
            )
        if not ((chances > 0) & (chances <= 1)).all():
            raise InputError(f"{self.image}: chances lie in (0, 1]")
        object.__setattr__(self, "boxes", boxes)
        object.__setattr__(self, "trust", trust)
        object.__setattr__(self, "points", points)
        object.__setattr__(self, "chances", chances)
        if not self.name:
            object.__setattr__(self, "name", self.image.name)


@dataclass(frozen=True, eq=False)
class Face:
    """One face with its landmarks.

    Faces are equal (==) where all of their values are, bit for bit. Sets and dictionaries tell them apart by identity,
    since arrays may change. They pickle.

    Attributes:
        box: (4,) float32 xyxy in image pixels, the box that the landmarks were looked for in; of a face with a roll, as
            wide and high as it would be if it was turned upright around the box's center.
        points: (K, 2) float32, (x, y) in image pixels, 0-based, pixel centers at integers.
        scores: (K,) float32 in [0, 1], how sure the network is of each landmark.
        schema: what the K landmarks are.
        visibility: (K, 3) float32, probabilities of `VISIBILITY_CLASSES`; None for models without them.
        model: name of the model that found the landmarks, or None.
        roll: degrees by which the crop was turned to be upright: + is a face that is turned counter-clockwise.
        detector_box: (4,) float32 xyxy in image pixels, as the detector gave it; None for boxes of the caller's.
        detector_score: the detector's own score; None for boxes of the caller's.
        track_id: in a video, the number of the face, the same in all frames; None for photos.

    Raises:
        InputError: an array of another shape.
    """

    box: Array
    points: Array
    scores: Array
    schema: LandmarkSchema
    visibility: Array | None = None
    model: str | None = None
    roll: float = 0.0
    detector_box: Array | None = None
    detector_score: float | None = None
    track_id: int | None = None

    def __post_init__(self) -> None:
        k = self.schema.n_landmarks
        shapes: dict[str, tuple[int, ...]] = {"box": (4,), "points": (k, 2), "scores": (k,)}
        if self.visibility is not None:
            shapes["visibility"] = (k, len(VISIBILITY_CLASSES))
        if self.detector_box is not None:
            shapes["detector_box"] = (4,)
        for name, shape in shapes.items():
            array = np.asarray(getattr(self, name), dtype=np.float32)
            if array.shape != shape:
                raise InputError(f"Face.{name} must have shape {shape}, not {array.shape}")
            object.__setattr__(self, name, array)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Face):
            return NotImplemented
        mine, theirs = self._arrays(), other._arrays()
        plain = ("schema", "model", "roll", "detector_score", "track_id")
        same = (
            all(getattr(self, name) == getattr(other, name) for name in plain)
            and mine.keys() == theirs.keys()
        )
        return same and all(np.array_equal(mine[name], theirs[name], equal_nan=True) for name in mine)

    __hash__ = object.__hash__

    def _arrays(self) -> dict[str, Array]:
        names = ("box", "points", "scores", "visibility", "detector_box")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    @property
    def score(self) -> float:
        """Mean landmark score, in [0, 1]."""
        return float(self.scores.mean())

    @property
    def tight_box(self) -> Array:
        """(4,) float32 xyxy in image pixels: the smallest box around the landmarks."""
        return np.concatenate([self.points.min(axis=0), self.points.max(axis=0)])

    def named(self, name: str) -> Array:
        """The points of a landmark, (1, 2), or of a region, (M, 2), by its name in the schema, in image pixels.

        Raises:
            InputError: the schema has neither.
        """
        return np.asarray(self.points[self.schema.indices_of(name)])

    @property
    def unseen(self) -> Array:
        """(K,) bool: landmarks more probably covered or turned away than visible; all False without `visibility`."""
        if self.visibility is None:
            return np.zeros(len(self.points), dtype=bool)
        return np.asarray(self.visibility.argmax(axis=1) != VISIBILITY_CLASSES.index("visible"))

    @property
    def pose(self) -> Pose:
        """Yaw, pitch and roll of the head in degrees, and its rotation matrix (`pose.head_pose`).

        Raises:
            InputError: fewer than five landmarks of eyes, brows, nose and mouth are visible and sure.
        """
        from efficientfan.pose import head_pose

        return head_pose(self)

    @property
    def eye_openness(self) -> tuple[float, float]:
        """Of the person's right and left eye: 0 shut, 0.25 to 0.35 usual, 0.5 wide open; NaN where it cannot be seen.

        Raises:
            InputError: a schema without eyelids, or no pose (`pose.eye_openness`).
        """
        from efficientfan.pose import eye_openness

        return eye_openness(self)

    @property
    def mouth_openness(self) -> float:
        """Of the mouth: 0 shut, about 0.3 in speech, 1 and more a yawn; NaN where it cannot be seen.

        Raises:
            InputError: a schema without the inner edges of the lips, or no pose (`pose.mouth_openness`).
        """
        from efficientfan.pose import mouth_openness

        return mouth_openness(self)

    def to_dict(self, *, pose: bool = False) -> dict[str, Any]:
        """Plain values, ready for JSON: the names of `schema` and `model`, `box`, `score`, `points`, `scores`.

        Pixels are rounded to 1/1000, scores to 1/10000. `visibility` is among the keys only where the face has it.

        Args:
            pose: add `pose` (`yaw`, `pitch`, `roll`, `error`), `eye_openness` (right, left) and `mouth_openness`; None
                where they are not known.
        """
        table: dict[str, Any] = {
            "schema": self.schema.name,
            "model": self.model,
            "box": np.round(self.box.astype(float), 3).tolist(),
            "roll": round(self.roll, 2),
            "score": round(self.score, 4),
            "points": np.round(self.points.astype(float), 3).tolist(),
            "scores": np.round(self.scores.astype(float), 4).tolist(),
        }
        if self.track_id is not None:
            table["track_id"] = self.track_id
        if self.detector_box is not None:
            table["detector_box"] = np.round(self.detector_box.astype(float), 3).tolist()
            table["detector_score"] = None if self.detector_score is None else round(self.detector_score, 4)
        if self.visibility is not None:
            table["visibility"] = np.round(self.visibility.astype(float), 4).tolist()
        if pose:
            from efficientfan.pose import describe

            table |= describe(self)
        return table

    def align(
        self, image: ImageLike, size: int = 112, template: Template = "arcface", margin: float = 0.0
    ) -> Array:
        """An aligned crop of this face: size x size x 3 uint8 RGB (`align.crop_faces`).

        Args:
            image: what the face was found in.
            size: side of the crop in pixels.
            template: "arcface", "ffhq", "upright" or "box" (`align.TEMPLATES`).
            margin: share by which the square around the face grows.

        Raises:
            InputError: as for `crop_faces`.
        """
        from efficientfan.align import crop_faces

        return np.asarray(crop_faces(image, [self], size=size, template=template, margin=margin)[0])

    def draw(self, image: Array) -> Array:
        """A copy of an H x W x 3 uint8 RGB image with this face drawn on it."""
        from efficientfan.draw import draw_faces

        return draw_faces(image, [self])
