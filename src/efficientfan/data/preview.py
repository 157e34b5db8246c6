"""A picture of what augmentation does to a recipe's faces, and where it puts their landmarks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientfan.data.augment import PHOTOMETRIC, Augmentation
from efficientfan.data.dataset import Draw, FaceCrops
from efficientfan.data.occluders import OCCLUDERS
from efficientfan.draw import add_dot, add_line, contact_sheet
from efficientfan.errors import InputError
from efficientfan.geometry import CropTransform, cells_to_pixels
from efficientfan.imaging import read_rgb, warp
from efficientfan.schema import LandmarkSchema
from efficientfan.structures import UNLABELED, VISIBLE

__all__ = ["augmentation_sheet"]

Array = NDArray[Any]

_CELL = 224
_LINE = (225, 225, 225)
_RIGHT, _LEFT, _MIDDLE = (255, 130, 0), (0, 140, 255), (255, 255, 255)


def augmentation_sheet(faces: FaceCrops, *, count: int = 6, seed: int = 0, draws: int = 4) -> Array:
    """A contact sheet, H x W x 3 uint8 RGB: a column for each face, a captioned row for each change.

    First come the plain crop and each augmentation alone, geometry at its limit; what is switched off is left
    out. The last `draws` rows are the crops that training sees in its first epochs. Landmarks that come first
    in their flip pair (the person's right) are orange, their partners blue, so that a mirrored face whose
    landmarks were not swapped would show its colors on the wrong sides.

    Args:
        faces: training crops, with an augmentation.
        count: faces, chosen at random; one that stands in the set several times is chosen once.
        seed: of that choice and of the changes shown alone.
        draws: rows of crops as training draws them.

    Raises:
        InputError: no faces or no augmentation.
    """
    if faces.augmentation is None or not len(faces):
        raise InputError("a preview needs faces and an augmentation")
    if count < 1 or draws < 0:
        raise InputError(f"a preview shows at least one face, and not {count} faces in {draws} random draws")
    rng = np.random.default_rng(seed)
    once = list({id(face): index for index, face in enumerate(faces.annotations)}.values())
    chosen = rng.permutation(once)[:count]
    columns = [list(_column(faces, faces.augmentation, int(index), rng, draws)) for index in chosen]
    cells = [cell for row in zip(*columns, strict=True) for cell in row]
    return contact_sheet(
        [picture for _, picture in cells], len(columns), [caption for caption, _ in cells], _CELL
    )


def _column(
    faces: FaceCrops, augmentation: Augmentation, index: int, rng: np.random.Generator, draws: int
) -> Iterator[tuple[str, Array]]:
    """Captions and pictures of one face."""
    face, box, schema = faces.annotations[index], faces.box(index), faces.schema
    photo = read_rgb(face.image)

    def crop(**pose: Any) -> tuple[Array, Array, Array]:
        transform = CropTransform.from_box(box, faces.crop.size, faces.crop.margin, **pose)
        return warp(photo, [transform])[0], transform.apply(face.points), face.visibility

    yield "plain crop", _picture(*crop(), schema)
    for caption, pose in _limits(augmentation):
        yield caption, _picture(*crop(**pose), schema)
    if augmentation.flip:
        picture, points, visibility = crop(flip=True)
        order = schema.flip_indices
        yield (
            f"flip (p {augmentation.flip:g}), swapped",
            _picture(picture, points[order], visibility[order], schema),
        )
    for name, occlude in OCCLUDERS.items():
        if probability := getattr(augmentation, name):
            picture, points, visibility = crop()
            picture = occlude(picture, points, np.array([0.0, 1.0]), rng)
            yield f"{name} (p {probability:g})", _picture(picture, points, visibility, schema)
    for name, change in PHOTOMETRIC.items():
        if probability := getattr(augmentation, name):
            picture, points, visibility = crop()
            yield f"{name} (p {probability:g})", _picture(change(picture, rng), points, visibility, schema)
    for epoch in range(draws):
        sample = {key: value.numpy() for key, value in faces[Draw(epoch, index)].items()}
        shown = np.where(sample["weights"] > 0, VISIBLE, UNLABELED)
        yield f"as drawn in epoch {epoch}", _picture(sample["crop"], sample["points"], shown, schema)


def _limits(augmentation: Augmentation) -> Iterator[tuple[str, dict[str, Any]]]:
    """Captions and arguments of `CropTransform.from_box` at the limits of the geometry."""
    if degrees := augmentation.rotation:
        yield f"rotation +{degrees:g}, counter-clockwise", {"rotation": degrees}
        yield f"rotation -{degrees:g}, clockwise", {"rotation": -degrees}
    if augmentation.scale:
        yield f"scale x {1 + augmentation.scale:g}", {"scale": 1 + augmentation.scale}
        yield f"scale / {1 + augmentation.scale:g}", {"scale": 1 / (1 + augmentation.scale)}
    if shift := augmentation.shift:
        yield f"shift +{shift:g}, +{shift:g}", {"shift": (shift, shift)}
        yield f"shift -{shift:g}, -{shift:g}", {"shift": (-shift, -shift)}


def _picture(crop: Array, points: Array, visibility: Array, schema: LandmarkSchema) -> Array:
    """The crop, its pixels enlarged to squares, with its landmarks in the colors of the face's sides."""
    zoom = max(1, _CELL // len(crop))
    large = crop.repeat(zoom, axis=0).repeat(zoom, axis=1)
    points = cells_to_pixels(points, zoom)  # a pixel of the crop is a cell of the enlarged one
    labeled = visibility != UNLABELED
    for a, b in schema.edges:
        if labeled[a] and labeled[b]:
            add_line(large, points[a], points[b], _LINE, 1)
    colors = [_MIDDLE] * len(points)
    for right, left in schema.flip_pairs:
        colors[right], colors[left] = _RIGHT, _LEFT
    for landmark in map(int, np.flatnonzero(labeled)):
        add_dot(large, points[landmark], len(large) / 110, colors[landmark])
    return large
