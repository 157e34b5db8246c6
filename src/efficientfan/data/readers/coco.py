"""COCO keypoints JSON: `images`, `categories`, `annotations` with `keypoints` [x, y, v, ...] and `bbox`.

ROOT is the JSON file, or a folder that holds `SPLIT.json` (or `annotations/SPLIT.json`). A `file_name` is
looked for in `images/` beside the JSON, beside the JSON itself, in `../images`, and in `SPLIT/`.

Pixel convention: coordinates are taken as they stand: 0-based, pixel centres at integers. v is 2 visible,
1 labelled but covered, 0 not labelled. `bbox` [x, y, w, h] becomes xyxy (x, y, x + w, y + h). Scalars beside
the standard keys, and those under `attributes`, become attributes; `name`, if given, is the face's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientfan.data.readers.coco_table import (
    attributes_of,
    box_of,
    find_image,
    finite,
    records_of,
    split_file,
)
from efficientfan.errors import InputError
from efficientfan.files import read_json
from efficientfan.schema import LandmarkSchema
from efficientfan.structures import Annotation

__all__ = ["read_coco"]


def read_coco(root: Path, split: str, schema: LandmarkSchema) -> list[Annotation]:
    """Faces of a COCO keypoints file, in its order.

    Raises:
        InputError: not such a file, a category or a face that does not fit the schema, an unknown image, a
            missing image file, or an image that no annotation speaks of.
    """
    path = split_file(root, split, ".json")
    table = read_json(path)
    if not isinstance(table, Mapping):
        raise InputError(f"{path}: expected a JSON object with 'images' and 'annotations'")
    categories = records_of(path, table, "categories", required=False)
    for identity, category in categories.items():
        names = category.get("keypoints", [])
        if names and (not isinstance(names, list) or len(names) != schema.n_landmarks):
            count = len(names) if isinstance(names, list) else 0
            raise InputError(
                f"{path}: category {identity!r} has {count} keypoints, schema '{schema.name}' has "
                f"{schema.n_landmarks}; choose the schema that fits (--schema)"
            )
    images = records_of(path, table, "images")
    faces = records_of(path, table, "annotations")
    per_image: dict[Any, int] = dict.fromkeys(images, 0)
    for identity, face in faces.items():
        key = face.get("image_id")
        if not isinstance(key, int | str) or key not in per_image:
            raise InputError(
                f"{path}: annotation {identity!r} is of image {key!r}, which 'images' does not list"
            )
        per_image[key] += 1
        if categories and "category_id" in face and not _known(face["category_id"], categories):
            raise InputError(
                f"{path}: annotation {identity!r} is of foreign category {face['category_id']!r}"
            )
    for key, count in per_image.items():
        if count == 0:
            name = str(images[key].get("file_name"))[:80]
            raise InputError(f"{path}: image without annotation: {name!r} (id {key!r})")
    found, names_seen = [], set()
    for identity, face in faces.items():
        where = f"{path}: annotation {identity!r}"
        file_name = images[face["image_id"]].get("file_name")
        if not isinstance(file_name, str):
            raise InputError(f"{path}: image {face['image_id']!r} has no file_name")
        default = file_name if per_image[face["image_id"]] == 1 else f"{file_name}#{identity}"
        name = face.get("name", default)
        if not isinstance(name, str) or name in names_seen:
            raise InputError(f"{where}: name {name!r} must be text and unique")
        names_seen.add(name)
        points, visibility = _keypoints(where, face.get("keypoints"), schema)
        found.append(
            Annotation(
                find_image(path, file_name, where),
                points,
                visibility,
                box=box_of(where, face.get("bbox")),
                attributes=attributes_of(where, face),
                name=name,
            )
        )
    if not found:
        raise InputError(f"{path}: holds no annotations")
    return found


def _known(identity: Any, categories: Mapping[Any, Any]) -> bool:
    return isinstance(identity, int | str) and identity in categories


def _keypoints(where: str, values: Any, schema: LandmarkSchema) -> tuple[NDArray[Any], NDArray[Any]]:
    triples = finite(values, 3 * schema.n_landmarks)
    if triples is None:
        count = len(values) if isinstance(values, list) else 0
        raise InputError(
            f"{where}: 'keypoints' must be {3 * schema.n_landmarks} finite numbers (x, y, v of the "
            f"{schema.n_landmarks} landmarks of '{schema.name}'); it holds {count}"
        )
    rows = triples.reshape(-1, 3)
    if not np.isin(rows[:, 2], (0, 1, 2)).all():
        raise InputError(f"{where}: visibility flags are 0, 1 or 2")
    return rows[:, :2], rows[:, 2].astype(np.uint8)
