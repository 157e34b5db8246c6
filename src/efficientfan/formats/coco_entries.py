"""Entries of COCO JSON files, checked: tables by id, boxes, attributes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientfan.errors import InputError
from efficientfan.files import read_json
from efficientfan.formats.text import LARGEST, is_scalar

__all__ = ["Records", "attributes_of", "box_of", "finite_numbers", "read_table", "records_of"]

Records = dict[Any, dict[str, Any]]
"""Entries of a table by id."""

_STANDARD = frozenset(
    {"id", "image_id", "category_id", "iscrowd", "area", "num_keypoints", "keypoints", "bbox"}
    | {"segmentation", "name", "attributes"}
)


def read_table(path: Path) -> Mapping[str, Any]:
    """The whole of a file.

    Raises:
        InputError: it cannot be read, or is no JSON object.
    """
    table = read_json(path)
    if not isinstance(table, Mapping):
        raise InputError(f"{path}: expected a JSON object with 'images' and 'annotations'")
    return table


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


def finite_numbers(values: Any, length: int) -> NDArray[np.float64] | None:
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
    box = finite_numbers(values, 4)
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
