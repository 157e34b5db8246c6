"""What nearly all faces of a data set should not have in common, and how their boxes compare with a detector's.

A single face may lie on its side, or look over its shoulder. Where nearly all do, columns have changed places.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientfan.data.detected import detected_box
from efficientfan.errors import InputError
from efficientfan.geometry import box_iou
from efficientfan.schema import LandmarkSchema
from efficientfan.structures import Annotation

__all__ = ["FEWEST", "box_advice", "exchanged", "repeated"]

Array = NDArray[Any]

NEARLY_ALL = 0.9
"""A share of the faces that no data set of upright photos reaches by chance."""
FEWEST = 5
"""Of fewer faces nothing is said."""
SAME_FACE = 0.95
"""Faces of one photo whose tight boxes overlap so far (IoU) are one face."""
SAME_SIZE = 1.25
"""The detector's boxes of labels that fit it differ less than by this factor."""


def exchanged(faces: Sequence[Annotation], schema: LandmarkSchema) -> list[str]:
    """What has changed places in nearly all faces: x and y, left and right, or a single landmark and its partner.

    Mirror partners lie beside each other in an upright face, the person's right one on the left of the photo. Which of
    a pair is the right one is known by the schema's layout, or by names with "left" or "right".

    Args:
        faces: of the schema.
        schema: with the mirror pairs.

    Returns:
        A sentence for each fault; empty for fewer than `FEWEST` faces, or a schema without pairs.
    """
    pairs, sided = _pairs(schema)
    if len(faces) < FEWEST or not pairs:
        return []
    first, second = np.array(pairs).T
    across = np.stack(
        [face.points[second] - face.points[first] for face in faces]
    )  # N x P x 2, NaN: unlabeled
    width, height = np.nansum(np.abs(across), axis=1).T
    if _share(height > width, width + height > 0) >= NEARLY_ALL:
        return ["mirror partners lie above each other, not beside: have x and y changed places?"]
    if not sided:
        return []
    total = np.nansum(across, axis=1)
    if _share(total[:, 0] < 0, total[:, 0] != 0) >= NEARLY_ALL:
        return ["the person's right is on the right of the photo: have left and right changed places?"]
    along = np.einsum("npd,nd->np", across, total)  # against the face's own axis, whatever its roll
    found = []
    for index, (a, b) in enumerate(pairs):
        if _share(along[:, index] < 0, np.isfinite(along[:, index])) >= NEARLY_ALL:
            found.append(
                f"{schema.landmarks[a]} and {schema.landmarks[b]} have changed places, against the other pairs"
            )
    return found


def _share(those: Array, among: Array) -> float:
    """NaN of none."""
    return float(those[among].mean()) if among.any() else math.nan


def _pairs(schema: LandmarkSchema) -> tuple[list[tuple[int, int]], bool]:
    """The mirror pairs, the person's right one first; and whether that is known."""
    pairs = []
    for a, b in schema.flip_pairs:
        right = _right_one(schema, a, b)
        if right is None:
            return list(schema.flip_pairs), False
        pairs.append((a, b) if right == a else (b, a))
    return pairs, True


def _right_one(schema: LandmarkSchema, a: int, b: int) -> int | None:
    if schema.layout:
        return a if schema.layout[a][0] < schema.layout[b][0] else b
    for right, left in ((a, b), (b, a)):
        if "right" in schema.landmarks[right].lower() or "left" in schema.landmarks[left].lower():
            return right
    return None


def repeated(faces: Sequence[Annotation]) -> list[str]:
    """Names of faces, whose points span an area, that stand in the data set before, in the same photo."""
    found, known = [], dict[Any, list[tuple[str, Array]]]()
    for face in faces:
        box = face.tight_box
        earlier = known.setdefault(face.image, [])
        twin = next((name for name, other in earlier if box_iou(box, other)[0, 0] > SAME_FACE), None)
        if twin is not None:
            found.append(f"{face.name} = {twin}")
        earlier.append((face.name, box))
    return found


def box_advice(
    faces: Sequence[Annotation],
    find: Callable[[Array], Array],
    progress: Callable[[int, int], None] = lambda done, total: None,
    *,
    most: int = 200,
) -> str:
    """How the tight boxes of the points compare with the boxes that a detector gives, in a sentence.

    A network that is trained on tight boxes (`data.boxes: tight`) meets the detector's when it is used.

    Args:
        faces: those of the data set.
        find: H x W x 3 uint8 RGB -> (M, 4) boxes xyxy in image pixels.
        progress: called with the number of faces done and their total.
        most: faces that are looked at, spread evenly.

    Raises:
        InputError: the detector finds none of the faces.
    """
    sound = [face for face in faces if face.visibility.astype(bool).sum() > 1 and _area(face.tight_box) > 0]
    places = np.linspace(0, len(sound) - 1, most).round().astype(int)
    chosen = np.unique(places).tolist() if sound else []
    ratios = []
    for done, index in enumerate(chosen, start=1):
        box = detected_box(sound[index], find)
        if box is not None:
            ratios.append(math.sqrt(_area(box) / _area(sound[index].tight_box)))
        progress(done, len(chosen))
    if not ratios:
        raise InputError(f"the detector finds none of {len(chosen)} faces, so no boxes can be compared")
    ratio = float(np.median(ratios))
    text = (
        f"the detector's boxes are {ratio:.2f} times as large as the tight boxes of the points (median of "
        f"{len(ratios)} faces; {len(chosen) - len(ratios)} not found)"
    )
    if 1 / SAME_SIZE < ratio < SAME_SIZE:
        return text
    return (
        f"{text}: a model that is trained in tight boxes meets other crops in use; write a table with the detector's "
        "boxes (`data convert ... --detector`), train on that, and set data.boxes: supplied"
    )


def _area(box: Array) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))
