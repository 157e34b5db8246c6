"""Mosaic training pictures for the detector: tiles of several photos, faces at every size and angle (YOLOv4, 2020)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from efficientfan.data.augment import PHOTOMETRIC
from efficientfan.data.scenes.clutter import strew_clutter
from efficientfan.data.scenes.covers import cover_face
from efficientfan.errors import InputError
from efficientfan.geometry import CropTransform
from efficientfan.imaging import warp
from efficientfan.schema import get_schema
from efficientfan.structures import BoxTrust, Scene

__all__ = ["LEAST_FACE", "MosaicAugmentation", "Picture", "compose", "move_points"]

Array = NDArray[Any]

LEAST_FACE = 8.0
"""Faces of a smaller longer side, in pixels of the mosaic, are ignored: neither faces nor background."""

LEAST_SEEN = 0.4
"""Faces of which less than this share lies on their tile are ignored, too."""


@dataclass(frozen=True)
class MosaicAugmentation:
    """How a training picture is put together.

    Attributes:
        grids: probabilities of one tile, 2 x 2, 3 x 3, ... tiles.
        face: smallest and largest side of a tile's chosen face, in tile sides; log-uniform between.
        enlarge: largest factor by which a photo is enlarged.
        rotation: degrees; tiles are rotated by up to +- that; small angles are more frequent.
        turned: probability of a turn by any angle instead.
        negative: probability that a tile shows a random place instead of a chosen face.
        flip: probability of mirroring.
        covered: probability that something covers a part of a face: a patch, a mask, a cap, dark glasses, a shadow.
        clutter: probability that letters, signs and spots of light are drawn beside the faces of a tile.
        dark, color, gray, noise, jpeg, blur, strong_blur, low_resolution: probabilities of the changes of a tile.
    """

    grids: tuple[float, ...] = (0.35, 0.35, 0.2, 0.1)
    face: tuple[float, float] = (0.13, 1.2)
    enlarge: float = 4.0
    rotation: float = 45.0
    turned: float = 0.25
    negative: float = 0.15
    flip: float = 0.5
    covered: float = 0.35
    clutter: float = 0.2
    dark: float = 0.1
    color: float = 0.5
    gray: float = 0.1
    noise: float = 0.1
    jpeg: float = 0.1
    blur: float = 0.1
    strong_blur: float = 0.05
    low_resolution: float = 0.1

    def __post_init__(self) -> None:
        for name in ("turned", "negative", "flip", "covered", "clutter", *_CHANGES):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"augmentation: {name} is a probability, not {getattr(self, name)}")
        if not self.grids or min(self.grids) < 0 or not math.isclose(sum(self.grids), 1):
            raise InputError(f"augmentation: grids are probabilities that sum to 1, not {self.grids}")
        if not 0 < self.face[0] <= self.face[1] or self.enlarge <= 0 or not 0 <= self.rotation <= 180:
            raise InputError(
                "augmentation: face is (smallest, largest) > 0, enlarge > 0, and rotation within 0 to 180"
            )


@dataclass(frozen=True)
class Picture:
    """A training picture.

    Attributes:
        image: (S, S, 3) uint8 RGB.
        boxes: (N, 4) float64 xyxy, pixels of the picture; they may reach beyond it.
        trust: (N,) uint8 of `BoxTrust`.
        points: (N, 5, 2) float64 of schema "five", pixels of the picture; NaN where unknown.
        chances: (N,) float64 in (0, 1], how sure it is that there is a face.
    """

    image: Array
    boxes: Array
    trust: Array
    points: Array
    chances: Array


def compose(
    first: Scene,
    pool: Sequence[Scene],
    read: Callable[[Scene], Array],
    size: int,
    augmentation: MosaicAugmentation,
    rng: np.random.Generator,
) -> Picture:
    """A picture of `first` and of random scenes of `pool` beside it.

    Args:
        first: is on one of the tiles.
        pool: where the other tiles come from.
        read: a scene's H x W x 3 uint8 RGB photo.
        size: side of the picture in pixels.
        augmentation: how.
        rng: the only source of randomness.
    """
    grid = 1 + int(rng.choice(len(augmentation.grids), p=augmentation.grids))
    side = size // grid
    image = np.empty((size, size, 3), np.uint8)
    image[:] = rng.integers(0, 256, 3, np.uint8)
    tiles: list[Picture] = []
    place_of_first = int(rng.integers(grid**2))
    for place in range(grid**2):
        scene = first if place == place_of_first else pool[int(rng.integers(len(pool)))]
        tile = _tile(scene, read(scene), side, augmentation, rng)
        y, x = (side * each for each in divmod(place, grid))
        image[y : y + side, x : x + side] = tile.image
        corner = np.array([x, y])
        tiles.append(replace(tile, boxes=tile.boxes + np.tile(corner, 2), points=tile.points + corner))
    joined = {
        name: [getattr(tile, name) for tile in tiles] for name in ("boxes", "trust", "points", "chances")
    }
    return Picture(image, **{name: np.concatenate(arrays) for name, arrays in joined.items()})


def move_points(points: Array, transform: CropTransform) -> Array:
    """(N, 5, 2) points of schema "five" under a similarity; left and right change places where it mirrors."""
    moved = transform.apply(points)
    return moved[:, _MIRRORED] if transform.mirrors else moved


def _tile(
    scene: Scene, photo: Array, side: int, augmentation: MosaicAugmentation, rng: np.random.Generator
) -> Picture:
    transform = _choose_transform(scene, photo, side, augmentation, rng)
    tile = warp(photo, [transform])[0]
    _fill_outside(tile, photo, transform, rng)
    boxes, points = transform.apply_to_boxes(scene.boxes), move_points(scene.points, transform)
    trust = np.where(_learnable(boxes, side), scene.trust, BoxTrust.IGNORED).astype(np.uint8)
    on_tile = (boxes[:, 2:] > 0).all(axis=1) & (boxes[:, :2] < side).all(axis=1)
    boxes, trust, points, chances = (each[on_tile] for each in (boxes, trust, points, scene.chances))
    # What is ignored is ignored on its own tile only.
    boxes = np.where(trust[:, None] == BoxTrust.IGNORED, boxes.clip(-0.5, side - 0.5), boxes)
    for box in boxes[trust != BoxTrust.IGNORED]:
        if rng.random() < augmentation.covered:
            cover_face(tile, box, transform.down, rng)
    if rng.random() < augmentation.clutter:
        strew_clutter(tile, boxes, rng)
    for name, change in _CHANGES.items():
        if rng.random() < getattr(augmentation, name) and side >= _LEAST_SIDE.get(name, 0):
            tile = change(tile, rng)
    return Picture(tile, boxes, trust, points, chances)


def _choose_transform(
    scene: Scene, photo: Array, side: int, augmentation: MosaicAugmentation, rng: np.random.Generator
) -> CropTransform:
    low, high = np.log(augmentation.face)
    share = float(np.exp(rng.uniform(low, high)))
    choices = np.flatnonzero(scene.trust != BoxTrust.IGNORED)
    if len(choices) and rng.random() >= augmentation.negative:
        box = scene.boxes[rng.choice(choices)]
    else:
        extent = min(photo.shape[:2]) * rng.uniform(0.15, 0.5)
        x, y = rng.uniform(0, photo.shape[1] - extent), rng.uniform(0, photo.shape[0] - extent)
        box = np.array([x, y, x + extent, y + extent])
    longer = (box[2:] - box[:2]).max()
    share = min(share, augmentation.enlarge * longer / side)
    reach = max(0.0, (1 - share) / 2)  # the chosen face stays on the tile, a large one leaves it by a quarter
    reach = max(reach, 0.25 * share) if share > 0.6 else reach
    turn = rng.uniform(-1, 1) * rng.uniform() * augmentation.rotation  # upright is common
    if rng.random() < augmentation.turned:
        turn = rng.uniform(-180, 180)
    return CropTransform.from_box(
        box,
        side,
        1 / share - 1,
        rotation=turn,
        shift=(rng.uniform(-reach, reach), rng.uniform(-reach, reach)),
        flip=bool(rng.random() < augmentation.flip),
    )


def _learnable(boxes: Array, side: int) -> Array:
    """(N,) bool: big enough, and enough of it on the tile, its center too."""
    sizes = boxes[:, 2:] - boxes[:, :2]
    inside = boxes.clip(-0.5, side - 0.5)
    seen = (inside[:, 2:] - inside[:, :2]).prod(axis=1) / np.maximum(sizes.prod(axis=1), 1e-9)
    centers = (boxes[:, :2] + boxes[:, 2:]) / 2
    central = ((centers >= 0) & (centers <= side - 1)).all(axis=1)
    return np.asarray((sizes.max(axis=1) >= LEAST_FACE) & (seen >= LEAST_SEEN) & central)


def _fill_outside(tile: Array, photo: Array, transform: CropTransform, rng: np.random.Generator) -> None:
    """Fill the area outside the photo: black, one color, noise, or its own blurred edge; in place."""
    kind, color = (
        rng.choice(["black", "color", "noise", "edge"], p=_FILLS),
        rng.integers(0, 256, 3, np.uint8),
    )
    if kind == "black":
        return
    height, width = photo.shape[:2]
    side = len(tile)
    whole = np.full((height, width), 255, np.uint8)
    outside = cv2.warpAffine(whole, transform.matrix, (side, side), flags=cv2.INTER_NEAREST) == 0
    if not outside.any():
        return
    if kind == "color":
        tile[outside] = color
    elif kind == "noise":
        tile[outside] = rng.integers(0, 256, (int(outside.sum()), 3), np.uint8)
    else:
        edge = cv2.warpAffine(photo, transform.matrix, (side, side), borderMode=cv2.BORDER_REPLICATE)
        tile[outside] = cv2.GaussianBlur(edge, (0, 0), max(1.0, side / 40))[outside]


def _dark(tile: Array, rng: np.random.Generator) -> Array:
    """A tenth to half of the brightness, with added noise."""
    dimmed = tile * rng.uniform(0.1, 0.5) + rng.normal(0, rng.uniform(0, 6), tile.shape)
    return np.asarray(np.rint(dimmed).clip(0, 255).astype(np.uint8))


_MIRRORED = get_schema("five").flip_indices

_CHANGES: dict[str, Callable[[Array, np.random.Generator], Array]] = {
    "dark": _dark,
    **{
        name: PHOTOMETRIC[name]
        for name in ("color", "blur", "strong_blur", "low_resolution", "noise", "gray", "jpeg")
    },
}
_FILLS = (0.1, 0.2, 0.05, 0.65)
_LEAST_SIDE = {"blur": 100, "strong_blur": 150, "low_resolution": 100}
"""On tiles with a smaller side, these changes would make faces unrecognizable."""
