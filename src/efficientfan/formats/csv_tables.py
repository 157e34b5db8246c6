"""A CSV table of faces, one a row, with a header; ROOT is the file, or a folder that holds `SPLIT.csv`.

Columns, in any order: `image` (relative to the table, or to `images/` beside it) and `x0`, `y0`, `x1`, `y1`
and so on for every landmark, both empty where it is not labelled. Further, as you have them: `v0`, `v1`, and
so on (2 visible, 1 covered, 0 not labelled; without them labelled points are visible), `box_x0`, `box_y0`,
`box_x1`, `box_y1`, `name`, and `attr.KEY` (JSON values: true, 3, "left"). Any other column is refused.

Pixel convention: ours, 0-based, pixel centres at integers.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from efficientfan.errors import InputError
from efficientfan.files import read_text
from efficientfan.formats.records import Record
from efficientfan.formats.text import find_image, is_scalar, numbers, split_file, unique_name
from efficientfan.schema import LandmarkSchema
from efficientfan.structures import UNLABELLED, VISIBLE, Annotation, Face

__all__ = ["BOX_COLUMNS", "CsvWriter", "columns", "read_csv"]

BOX_COLUMNS = ("box_x0", "box_y0", "box_x1", "box_y1")
_PHOTO = ["image", "width", "height", "model", "schema"]
_FACE = ["face", "box_x0", "box_y0", "box_x1", "box_y1", "score"]
Attributes = dict[str, "str | int | float | bool"]


def read_csv(root: Path, split: str, schema: LandmarkSchema) -> list[Annotation]:
    """Faces of a CSV table in its order.

    Raises:
        InputError: a column is missing or foreign, a row is damaged, or an image is missing.
    """
    path = split_file(root, split, ".csv")
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    found: list[Annotation] = []
    seen: set[str] = set()
    try:
        header = next(reader, [])
        _check_header(path, header, schema)
        for fields in reader:
            if not fields:
                continue
            if len(fields) != len(header):
                raise InputError(
                    f"{path}: line {reader.line_num}: expected {len(header)} fields, found {len(fields)}"
                )
            found.append(_face(path, reader.line_num, dict(zip(header, fields, strict=True)), schema, seen))
    except csv.Error as error:
        raise InputError(f"{path}: line {reader.line_num}: is not CSV ({error})") from error
    if not found:
        raise InputError(f"{path}: holds no rows below its header")
    return found


def columns(schema: LandmarkSchema) -> list[str]:
    """The header: the photo's columns, the face's, then `<landmark>_x, _y, _score` for each landmark."""
    return _PHOTO + _FACE + [f"{name}_{kind}" for name in schema.landmarks for kind in ("x", "y", "score")]


class CsvWriter:
    """Writes the header at once, and rows as they come."""

    def __init__(self, stream: TextIO, schema: LandmarkSchema) -> None:
        self._rows = csv.writer(stream, lineterminator="\n")
        self._width = len(columns(schema))
        self._rows.writerow(columns(schema))

    def add(self, record: Record) -> None:
        """Write one photo's rows."""
        photo = [record.image, record.width, record.height, record.model, record.schema.name]
        for number, face in enumerate(record.faces):
            self._rows.writerow([*photo, number, *_values(face)])
        if not record.faces:
            self._rows.writerow(photo + [""] * (self._width - len(photo)))

    def finish(self) -> None:
        """Nothing follows."""


def _check_header(path: Path, header: list[str], schema: LandmarkSchema) -> None:
    def columns(letters: str) -> list[str]:
        return [f"{letter}{index}" for index in range(schema.n_landmarks) for letter in letters]

    needed = ["image", *columns("xy")]
    for group in (columns("v"), list(BOX_COLUMNS)):
        if set(group) & set(header):
            needed += group
    missing = [name for name in needed if name not in header]
    if missing:
        raise InputError(
            f"{path}: line 1: column '{missing[0]}' is missing ({len(missing)} in all); schema "
            f"'{schema.name}' needs image, x0, y0 to x{schema.n_landmarks - 1}, y{schema.n_landmarks - 1}"
        )
    foreign = [n for n in header if n not in {*needed, "name"} and not n.startswith("attr.")]
    if foreign or len(set(header)) != len(header):
        odd = foreign[0] if foreign else next(n for n in header if header.count(n) > 1)
        raise InputError(
            f"{path}: line 1: column {odd[:40]!r} is foreign or repeated; attributes are named attr.KEY"
        )


def _face(path: Path, line: int, row: dict[str, str], schema: LandmarkSchema, seen: set[str]) -> Annotation:
    where = f"{path}: line {line}"
    points = np.full((schema.n_landmarks, 2), np.nan)
    visibility = np.full(schema.n_landmarks, UNLABELLED)
    for index in range(schema.n_landmarks):
        pair = [row[f"x{index}"], row[f"y{index}"]]
        flag = row.get(f"v{index}", str(VISIBLE if any(pair) else UNLABELLED))
        if flag not in ("0", "1", "2") or (flag != "0") != any(pair):
            raise InputError(
                f"{where}: v{index} is {flag[:20]!r}; expected 1 or 2, or 0 with x{index}, y{index} empty"
            )
        if flag != "0":
            points[index] = numbers(path, line, pair, expected=2)
            visibility[index] = int(flag)
    name = row.get("name") or unique_name(row["image"], seen)
    if row.get("name") and name in seen:
        raise InputError(f"{where}: name {name[:60]!r} stands on two rows")
    seen.add(name)
    image = find_image(path, row["image"], where)
    return Annotation(
        image, points, visibility, box=_box(path, line, row), attributes=_attributes(where, row), name=name
    )


def _box(path: Path, line: int, row: dict[str, str]) -> NDArray[np.float64] | None:
    fields = [row.get(name, "") for name in BOX_COLUMNS]
    if not any(fields):
        return None
    box = np.array(numbers(path, line, fields, expected=4))
    if box[2] <= box[0] or box[3] <= box[1]:
        raise InputError(f"{path}: line {line}: box {box.tolist()} (x0, y0, x1, y1) has no positive size")
    return box


def _attributes(where: str, row: dict[str, str]) -> Attributes:
    found: Attributes = {}
    for column, text in row.items():
        if column.startswith("attr.") and text:
            try:
                value = json.loads(text)
            except (ValueError, RecursionError):
                value = None
            if not is_scalar(value):
                raise InputError(
                    f'{where}: {column[:40]} is {text[:40]!r}; expected JSON: true, a number or "text"'
                )
            found[column.removeprefix("attr.")] = value
    return found


def _values(face: Face) -> list[float]:
    table = face.to_dict()
    landmarks = zip(table["points"], table["scores"], strict=True)
    return [*table["box"], table["score"], *(value for (x, y), score in landmarks for value in (x, y, score))]
