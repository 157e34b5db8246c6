"""What every COCO JSON has in common: its tables, boxes and attributes, and where its images lie."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientfan.data.readers.layout import LARGEST, is_scalar
from efficientfan.errors import InputError

__all__ = ["Records", "attributes_of", "box_of", "find_image", "finite", "records_of", "split_file"]

Records = dict[Any, dict[str, Any]]
"""Entries of a table by id."""

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
    beside = table.parent
    for folder in (beside / "images", beside, beside.parent / "images", beside / table.stem):
        try:
            if (folder / name).is_file():
                return folder / name
        except OSError as error:
            raise InputError(f"{where}: no image {name[:60]!r} ({error.strerror})") from error
    raise InputError(f"{where}: annotation without image: no {name!r} in images/ or beside {table.name}")


def records_of(path: Path, table: Mapping[str, Any], key: str, required: bool = True) -> Records:
    """The list under `key` by id."""
    if key not in table and not required:
        return {}
    rows = table.get(key)
    if not isinstance(rows, list):
        raise InputError(f"{path}: expected a list under {key!r}; is it a COCO file?")
    found: Records = {}
    for row in rows:
        identity = row.get("id") if isinstance(row, dict) else None
        if not isinstance(identity, int | str) or identity in found:
            raise InputError(f"{path}: every entry of {key!r} needs an id of its own; met {str(row)[:60]}")
        found[identity] = row
    return found


def finite(values: Any, length: int) -> NDArray[np.float64] | None:
    """`values` as `length` finite pixel numbers, or None."""
    if not isinstance(values, list) or len(values) != length:
        return None
    if not all(type(value) in (int, float) and abs(value) <= LARGEST for value in values):  # NaN fails it too
        return None
    return np.array(values, dtype=np.float64)


def box_of(where: str, values: Any) -> NDArray[Any] | None:
    """(4,) xyxy of COCO's x, y, width, height; None where none is given.

    Raises:
        InputError: not four finite numbers, or without a positive size.
    """
    if values is None:
        return None
    box = finite(values, 4)
    if box is None or box[2] <= 0 or box[3] <= 0:
        raise InputError(f"{where}: 'bbox' must be x, y, width > 0, height > 0, not {str(values)[:60]}")
    return np.concatenate([box[:2], box[:2] + box[2:]])


def attributes_of(where: str, face: Mapping[str, Any]) -> dict[str, str | int | float | bool]:
    """Scalars beside the standard keys, and those under `attributes`.

    Raises:
        InputError: an attribute of another kind.
    """
    own = face.get("attributes", {})
    if not isinstance(own, Mapping):
        raise InputError(f"{where}: 'attributes' must be a JSON object")
    rest = {key: value for key, value in face.items() if key not in _STANDARD}
    odd = [key for key, value in own.items() if not is_scalar(value)]
    if odd:
        raise InputError(f"{where}: attribute {odd[0]!r} must be text, a finite number or a truth value")
    return {key: value for key, value in {**rest, **own}.items() if is_scalar(value)}
