"""COCO keypoints JSON: `images`, `categories`, `annotations` with `keypoints` [x, y, v, ...] and `bbox`.

ROOT is the JSON file, or a folder that holds `SPLIT.json` (or `annotations/SPLIT.json`). A `file_name` is
looked for in `images/` beside the JSON, then beside the JSON itself, then in `../images`.

Pixel convention: coordinates are taken as they stand: 0-based, pixel centres at integers. v is 2 visible,
1 labelled but covered, 0 not labelled. `bbox` [x, y, w, h] becomes xyxy (x, y, x + w, y + h). Scalars beside
the standard keys, and those under `attributes`, become attributes; `name`, if given, is the face's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientfan.data.readers.layout import LARGEST, is_scalar
from efficientfan.errors import InputError
from efficientfan.files import read_json
from efficientfan.schema import LandmarkSchema
from efficientfan.structures import Annotation

__all__ = ["find_image", "read_coco", "split_file"]

Records = dict[Any, dict[str, Any]]

_STANDARD = frozenset(
    {"id", "image_id", "category_id", "iscrowd", "area", "num_keypoints", "keypoints", "bbox"}
    | {"segmentation", "name", "attributes"}
)


def split_file(root: Path, split: str, suffix: str) -> Path:
    """The list file of a split: `root` itself, or `SPLIT<suffix>` in it or in its `annotations/`.

    Raises:
        InputError: neither is there.
    """
    if root.suffix.lower() == suffix:
        if not root.is_file():
            raise InputError(f"{root}: no such file")
        if split not in ("all", root.stem):
            raise InputError(f"{root}: is one file; its split is 'all', not {split!r}")
        return root
    for path in (root / f"{split}{suffix}", root / "annotations" / f"{split}{suffix}"):
        if path.is_file():
            return path
    raise InputError(f"{root}: has no {split}{suffix}; give the {suffix} file, or its folder")


def find_image(table: Path, name: str, where: str) -> Path:
    """The image that a list file names.

    Raises:
        InputError: an absolute path, or no such file.
    """
    if not name or "\0" in name or PurePosixPath(name).is_absolute() or Path(name).is_absolute():
        raise InputError(f"{where}: image name {name!r} must be a path relative to the list file")
    for folder in (table.parent / "images", table.parent, table.parent.parent / "images"):
        try:
            if (folder / name).is_file():
                return folder / name
        except OSError as error:
            raise InputError(f"{where}: no image {name[:60]!r} ({error.strerror})") from error
    raise InputError(f"{where}: annotation without image: no {name!r} in images/ or beside {table.name}")


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
    categories = _records(path, table, "categories", required=False)
    for identity, category in categories.items():
        names = category.get("keypoints", [])
        if names and (not isinstance(names, list) or len(names) != schema.n_landmarks):
            count = len(names) if isinstance(names, list) else 0
            raise InputError(
                f"{path}: category {identity!r} has {count} keypoints, schema '{schema.name}' has "
                f"{schema.n_landmarks}; choose the schema that fits (--schema)"
            )
    images = _records(path, table, "images")
    faces = _records(path, table, "annotations")
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
                box=_box(where, face.get("bbox")),
                attributes=_attributes(where, face),
                name=name,
            )
        )
    if not found:
        raise InputError(f"{path}: holds no annotations")
    return found


def _known(identity: Any, categories: Mapping[Any, Any]) -> bool:
    return isinstance(identity, int | str) and identity in categories


def _records(path: Path, table: Mapping[str, Any], key: str, required: bool = True) -> Records:
    """The list under `key` by id."""
    if key not in table and not required:
        return {}
    rows = table.get(key)
    if not isinstance(rows, list):
        raise InputError(f"{path}: expected a list under {key!r}; is it a COCO keypoints file?")
    found: Records = {}
    for row in rows:
        identity = row.get("id") if isinstance(row, dict) else None
        if not isinstance(identity, int | str) or identity in found:
            raise InputError(f"{path}: every entry of {key!r} needs an id of its own; met {str(row)[:60]}")
        found[identity] = row
    return found


def _finite(values: Any, length: int) -> NDArray[np.float64] | None:
    """`values` as `length` finite pixel numbers, or None."""
    if not isinstance(values, list) or len(values) != length:
        return None
    if not all(type(value) in (int, float) and abs(value) <= LARGEST for value in values):  # NaN fails it too
        return None
    return np.array(values, dtype=np.float64)


def _keypoints(where: str, values: Any, schema: LandmarkSchema) -> tuple[NDArray[Any], NDArray[Any]]:
    triples = _finite(values, 3 * schema.n_landmarks)
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


def _box(where: str, values: Any) -> NDArray[Any] | None:
    if values is None:
        return None
    box = _finite(values, 4)
    if box is None or box[2] <= 0 or box[3] <= 0:
        raise InputError(f"{where}: 'bbox' must be x, y, width > 0, height > 0, not {str(values)[:60]}")
    return np.concatenate([box[:2], box[:2] + box[2:]])


def _attributes(where: str, face: Mapping[str, Any]) -> dict[str, str | int | float | bool]:
    own = face.get("attributes", {})
    if not isinstance(own, Mapping):
        raise InputError(f"{where}: 'attributes' must be a JSON object")
    rest = {key: value for key, value in face.items() if key not in _STANDARD}
    odd = [key for key, value in own.items() if not is_scalar(value)]
    if odd:
        raise InputError(f"{where}: attribute {odd[0]!r} must be text, a finite number or a truth value")
    return {key: value for key, value in {**rest, **own}.items() if is_scalar(value)}
