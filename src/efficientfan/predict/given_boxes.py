"""Boxes given by the caller: checked against the photo, or read from a file for many photos."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike, NDArray

from efficientfan.errors import InputError
from efficientfan.geometry import as_boxes

__all__ = ["boxes_within", "read_boxes"]

Array = NDArray[Any]


def boxes_within(boxes: ArrayLike, width: int, height: int) -> Array:
    """Check xyxy boxes of a photo and return them as (N, 4) float64; they may extend beyond its edge.

    Raises:
        InputError: a box without positive size, or wholly outside the photo.
    """
    array = as_boxes(boxes)
    for index, (x0, y0, x1, y1) in enumerate(array):
        if x0 >= width - 0.5 or y0 >= height - 0.5 or x1 <= -0.5 or y1 <= -0.5:
            raise InputError(
                f"box {index} lies wholly outside the {width} x {height} image: {array[index].tolist()}; "
                "boxes are x0, y0, x1, y1 in image pixels"
            )
    return array


def read_boxes(path: str | Path) -> dict[str, Array]:
    """Read boxes for many photos: image, as the file names it -> (N, 4) float64 xyxy in image pixels.

    JSON is an object, `{"a.jpg": [[x0, y0, x1, y1], ...], ...}`. CSV has a header and one row per box, with the
    columns image, x0, y0, x1, y1, or is a table that `efficientfan predict --out FILE.csv` wrote.

    Raises:
        InputError: unreadable, another format, or a box without positive size; names the file and the entry.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in (".json", ".csv"):
        raise InputError(f"{path}: boxes are a .json or .csv file")
    from efficientfan.formats.csv_tables import read_csv_boxes

    return dict(_from_json(path)) if suffix == ".json" else read_csv_boxes(path)


def _from_json(path: str | Path) -> Iterator[tuple[str, Array]]:
    from efficientfan.files import read_json
    from efficientfan.formats.text import boxes_at

    table = read_json(path)
    if not isinstance(table, Mapping):
        raise InputError(
            f'{path}: must be an object {{"image": [[x0, y0, x1, y1], ...]}}, not {type(table).__name__}'
        )
    for image, boxes in table.items():
        yield image, boxes_at(boxes, f"{path}: {image!r}")
