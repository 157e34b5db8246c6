"""COCO JSON of whole photos: the boxes of their faces."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from efficientfan.errors import InputError
from efficientfan.formats.coco_entries import attributes_of, box_of, read_table, records_of
from efficientfan.formats.text import find_image, split_file, stable_name
from efficientfan.geometry import BoxCorrection
from efficientfan.structures import BoxTrust, Scene

__all__ = ["read_coco_boxes"]

# Medians over training photos that have both; benchmarks/detection/fit_boxes.py prints them.
FROM_HAIR_LINE = BoxCorrection(shift=(0.0, 0.128), scale=(1.029, 0.77))


def read_coco_boxes(root: Path, split: str) -> list[Scene]:
    """Photos and the boxes of their faces, in the file's order; a photo without annotations has no face.

    Two keys of an annotation matter beside the box. `iscrowd` 1: to be ignored. `source`: "wider" and "pseudo" boxes
    reach from the hair line to the chin, as WIDER FACE draws them, and become boxes of the landmarks by
    `FROM_HAIR_LINE`; "pseudo" ones come from a detector, unchecked. Any other source, or none, is a person's box, tight
    around the landmarks.

    Raises:
        InputError: not such a file, a damaged box, an unknown image or a missing image file.
    """
    path = split_file(root, split, ".json")
    table = read_table(path)
    images = records_of(path, table, "images")
    faces: dict[Any, list[tuple[Any, int]]] = {key: [] for key in images}
    for identity, row in records_of(path, table, "annotations").items():
        where, key = f"{path}: annotation {identity!r}", row.get("image_id")
        if not isinstance(key, int | str) or key not in faces:
            raise InputError(f"{where} is of image {key!r}, which 'images' does not list")
        try:
            box = box_of(where, row.get("bbox"))
        except InputError:
            if row.get("iscrowd"):  # a box to be ignored may be nonsense
                continue
            raise
        if box is None:
            raise InputError(f"{where} has no 'bbox'")
        if row.get("source") in ("wider", "pseudo"):
            box = FROM_HAIR_LINE.apply(box[None])[0]
        faces[key].append((box, _trust(row)))
    if not images:
        raise InputError(f"{path}: holds no images")
    return [_scene(path, key, image, faces[key]) for key, image in images.items()]


def _trust(row: Mapping[str, Any]) -> BoxTrust:
    if row.get("iscrowd"):
        return BoxTrust.IGNORED
    return BoxTrust.UNCHECKED if row.get("source") == "pseudo" else BoxTrust.LABELED


def _scene(path: Path, key: Any, image: Mapping[str, Any], faces: list[tuple[Any, int]]) -> Scene:
    where, name = f"{path}: image {key!r}", image.get("file_name")
    if not isinstance(name, str):
        raise InputError(f"{where} has no file_name")
    boxes = np.reshape([box for box, _ in faces], (-1, 4))
    trust = np.array([trust for _, trust in faces], dtype=np.uint8)
    own = {k: v for k, v in image.items() if k not in ("file_name", "width", "height", "license")}
    return Scene(
        find_image(path, name, where), boxes, trust, attributes_of(where, own), stable_name(path, name)
    )
