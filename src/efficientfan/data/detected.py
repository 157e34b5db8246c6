"""Boxes of a detector for annotated faces: to compare with the points' own, and to train in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientfan.errors import InputError
from efficientfan.geometry import BoxCorrection, box_iou
from efficientfan.imaging import read_rgb
from efficientfan.structures import Annotation, tight_boxes

__all__ = ["detected_box", "with_detected_boxes"]

Array = NDArray[Any]
Find = Callable[[Array], Array]
"""H x W x 3 uint8 RGB -> (M, 4) boxes xyxy in image pixels."""

LEAST_IOU = 0.1
"""Below this IoU with the tight box of its points a box is not the face's; eyes alone fill a tenth of a face."""


def detected_box(face: Annotation, find: Find) -> Array | None:
    """The (4,) box that a detector finds for a face of two labeled points or more; None where it finds none."""
    boxes = find(read_rgb(face.image))
    overlaps = box_iou(face.tight_box, boxes)[0] if len(boxes) else np.zeros(0)
    return boxes[overlaps.argmax()] if overlaps.size and overlaps.max() > LEAST_IOU else None


def with_detected_boxes(
    faces: Sequence[Annotation], find: Find, progress: Callable[[int], None] = lambda done: None
) -> tuple[list[Annotation], int]:
    """The faces with a detector's boxes in place of their own, and how many of them it has not found.

    A face that is not found gets a box that lies beside its points as the others' boxes do in the median.

    Args:
        faces: of two labeled points or more each, which span an area.
        find: the detector.
        progress: called with the number of faces done since the last call.

    Raises:
        InputError: a face whose points span no area, an unreadable photo, or no face is found.
    """
    tight = tight_boxes(faces)
    found: list[Array | None] = []
    for face in faces:
        found.append(detected_box(face, find))
        progress(1)
    known = [index for index, box in enumerate(found) if box is not None]
    if not known:
        raise InputError(f"the detector finds none of {len(faces)} faces, so it gives no boxes")
    usual = BoxCorrection.between(
        tight[known], np.array([box for box in found if box is not None], dtype=np.float64)
    ).apply(tight)
    boxes = [guess if box is None else box for guess, box in zip(usual, found, strict=True)]
    return [
        replace(face, box=np.asarray(box, dtype=np.float64)) for face, box in zip(faces, boxes, strict=True)
    ], len(faces) - len(known)
