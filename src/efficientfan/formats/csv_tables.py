"""A CSV table of faces, one a row, with a header: written by `predict` and `data convert`, read by everything.

Needed are the columns

- `image`: the photo, by a path from the table, from `images/` beside it or from the current folder (`text.find_image`);
- `<landmark>_x`, `<landmark>_y` for every landmark of the schema by its name: the point, both empty: not labeled.

Read, where they are there, are

- `<landmark>_v`: 2 visible, 1 covered, 0 not labeled; without these columns labeled points are visible;
- `<landmark>_score`: how sure the network was of the point, in [0, 1];
- `box_x0`, `box_y0`, `box_x1`, `box_y1`: the face's box, or empty;
- `name`: the face's name, unique in the table; without it the photo's;
- `schema`: name of the landmark schema;
- `attr.KEY`: an attribute, as JSON: true, 3, "left".

Written by `predict` and not read: `width`, `height` of the photo, `model`, `face` (a number), `score` (of the face); of
videos `frame` (a number), `time` (seconds), `track_id`.

Text that a spreadsheet would take for a formula, such as the name `=a.jpg`, is written with `./` before it, and read
without.

Columns come in any order. A row with neither points nor box says that the photo has no face. Pixel convention: 0-based,
pixel centers at integers. Tables with `x0`, `y0`, `v0`, `x1`, ... in place of the landmarks' names are read too, with a
note in the log: earlier versions wrote them.
"""

from __future__ import annotations

import difflib
import io
import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from efficientfan.errors import InputError
from efficientfan.files import write_text
from efficientfan.formats.csv_cells import by_column, guarded, open_rows, plain, row_writer
from efficientfan.formats.records import FailedPhoto, Record
from efficientfan.formats.text import (
    ListContent,
    boxes_at,
    find_image,
    is_scalar,
    numbers,
    relative_path,
    split_file,
    stable_name,
    unique_name,
)
from efficientfan.schema import LandmarkSchema
from efficientfan.structures import OCCLUDED, UNLABELED, VISIBLE, Annotation, Face

__all__ = [
    "CsvWriter",
    "TableRow",
    "read_csv",
    "read_csv_boxes",
    "read_rows",
    "survey_csv",
    "table_schema",
    "write_csv",
]

logger = logging.getLogger(__name__)

Array = NDArray[Any]
Attributes = Mapping[str, "str | int | float | bool"]

_BOX = ("box_x0", "box_y0", "box_x1", "box_y1")
_PHOTO = ("image", "width", "height", "model", "schema")
_UNREAD = frozenset({"width", "height", "model", "face", "score", "frame", "time", "track_id"})


@dataclass(frozen=True, eq=False)
class TableRow:
    """A face of a table, or a photo without one.

    Attributes:
        where: file and line, for messages.
        image: the photo, as the table names it.
        points: (K, 2) float64, (x, y) in image pixels, NaN where not labeled; None: the photo has no face.
        visibility: (K,) uint8 of `UNLABELED`, `OCCLUDED`, `VISIBLE`; None with `points`.
        box: (4,) float64 xyxy in image pixels, or None.
        scores: (K,) float64, or None where a landmark has none.
        name: the face's name, or "".
        attributes: what else the table says of the face.
    """

    where: str
    image: str
    points: Array | None = None
    visibility: Array | None = None
    box: Array | None = None
    scores: Array | None = None
    name: str = ""
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True)
class _Columns:
    """The names of the landmarks' columns: K `x`, `y`, `v` and `score` each, in the schema's order."""

    x: tuple[str, ...]
    y: tuple[str, ...]
    v: tuple[str, ...]
    score: tuple[str, ...]

    @classmethod
    def named(cls, schema: LandmarkSchema) -> _Columns:
        return cls(
            *(tuple(f"{name}_{kind}" for name in schema.landmarks) for kind in ("x", "y", "v", "score"))
        )

    @classmethod
    def numbered(cls, schema: LandmarkSchema) -> _Columns:
        """Those of the old dialect."""
        x, y, v = (tuple(f"{kind}{index}" for index in range(schema.n_landmarks)) for kind in "xyv")
        return cls(x, y, v, score=())

    def in_turn(self, *kinds: Sequence[str]) -> list[str]:
        """The columns of some kinds, landmark by landmark."""
        return [column for each in zip(*kinds, strict=True) for column in each]


def read_csv(root: Path, split: str, schema: LandmarkSchema) -> list[Annotation]:
    """Faces of a table in its order; photos without a face are left out.

    Args:
        root: the table, or a folder that holds `SPLIT.csv`.
        split: the table's name without suffix, or "all" where `root` is the table.
        schema: of its landmarks.

    Raises:
        InputError: a column is missing or unknown, a row is damaged or of another schema, an image is missing, or no
            row has a face.
    """
    return survey_csv(root, split, schema, 1).sound()


def survey_csv(root: Path, split: str, schema: LandmarkSchema, most_errors: int) -> ListContent:
    """The faces of a table and what is wrong with its rows, until `most_errors` of them are; as `read_csv` else.

    Raises:
        InputError: its header is not usable, or it is not there.
    """
    path = split_file(root, split, ".csv")
    header, rows = open_rows(path)
    columns = _columns(path, header, schema, known_only=True)
    content, seen = ListContent(), set[str]()
    for line, fields in rows:
        try:
            row = _row(path, line, _cells(path, line, header, fields), columns, schema)
            if row.points is None or row.visibility is None:
                content.without_face += 1
            else:
                content.faces.append(_annotation(path, row, row.points, row.visibility, seen))
        except InputError as error:
            content.errors.append(str(error))
            if len(content.errors) == most_errors:
                break
    if not content.faces and not content.errors:
        content.errors.append(f"{path}: no row below its header has a face")
    return content


def _annotation(path: Path, row: TableRow, points: Array, visibility: Array, seen: set[str]) -> Annotation:
    if row.name and row.name in seen:
        raise InputError(f"{row.where}: name {row.name[:60]!r} stands on two rows")
    seen.add(row.name)
    return Annotation(
        find_image(path, row.image, row.where),
        points,
        visibility,
        box=row.box,
        attributes=row.attributes,
        name=row.name or unique_name(stable_name(path, row.image), seen),
    )


def read_rows(path: Path, schema: LandmarkSchema, *, known_only: bool = True) -> Iterator[TableRow]:
    """The rows of a table, checked one by one.

    Args:
        path: of the table.
        schema: of its landmarks.
        known_only: refuse columns of unknown names; else they are not read.

    Raises:
        InputError: not such a table, or a damaged row; names the file and the line.
    """
    header, rows = open_rows(path)
    columns = _columns(path, header, schema, known_only)
    for line, fields in rows:
        yield _row(path, line, _cells(path, line, header, fields), columns, schema)


def table_schema(path: Path) -> str | None:
    """Name of the schema on a table's first row; None where it names none.

    Raises:
        InputError: the file cannot be read, or its first row is damaged.
    """
    header, rows = open_rows(path)
    first = next((_cells(path, line, header, fields) for line, fields in rows), {})
    return first.get("schema") or None


def read_csv_boxes(path: str | Path) -> dict[str, Array]:
    """Boxes of many photos: image, as the table names it -> (N, 4) float64 xyxy in image pixels; N may be 0.

    The columns are `image` and `box_x0`, `box_y0`, `box_x1`, `box_y1`, or `x0`, `y0`, `x1`, `y1`; others are not read.

    Raises:
        InputError: another header, or a box without positive size; names the file and the line.
    """
    path = Path(path)
    header, rows = open_rows(path)
    names = next((each for each in (_BOX, ("x0", "y0", "x1", "y1")) if set(each) <= set(header)), None)
    if names is None or "image" not in header:
        raise InputError(f"{path}: line 1: must name the columns image, x0, y0, x1, y1")
    boxes: dict[str, list[Array]] = {}
    for line, fields in rows:
        row = _cells(path, line, header, fields)
        known = boxes.setdefault(row["image"], [np.zeros((0, 4))])
        if any(row[name] for name in names):
            known.append(boxes_at([[row[name] for name in names]], f"{path}: line {line}"))
    return {image: np.concatenate(each) for image, each in boxes.items()}


class CsvWriter:
    """Writes found faces: the header at once, then a row per face as they come. Pixels are rounded to 1/1000.

    `<landmark>_v` is 1 for landmarks that the model takes to be covered or turned away, and 2 for all others, also
    where the model does not tell.

    Args:
        stream: what is written to.
        schema: of the faces.
        video: the records are frames: `frame`, `time` and `track_id` are among the columns.
    """

    def __init__(self, stream: TextIO, schema: LandmarkSchema, *, video: bool = False) -> None:
        self._video = video
        columns = _Columns.named(schema)
        landmarks = columns.in_turn(columns.x, columns.y, columns.v, columns.score)
        self._rows = row_writer(stream)
        place, track = (("frame", "time"), ("track_id",)) if video else ((), ())
        self._header = [*_PHOTO, *place, "face", *track, *_BOX, "score", *landmarks]
        self._rows.writerow(self._header)

    def add(self, record: Record) -> None:
        """Write one photo's rows."""
        photo: list[Any] = [guarded(record.image), record.width, record.height]
        photo += [guarded(record.model), guarded(record.schema.name)]
        if self._video:
            photo += [record.frame, "" if record.time is None else round(record.time, 6)]
        for number, face in enumerate(record.faces):
            track = [face.track_id] if self._video else []
            self._rows.writerow([*photo, number, *track, *_values(face)])
        if not record.faces:
            self._rows.writerow(photo + [""] * (len(self._header) - len(photo)))

    def fail(self, failed: FailedPhoto) -> None:
        """Failed photos are left out."""

    def finish(self) -> None:
        """Nothing is left to write."""


def write_csv(faces: Sequence[Annotation], schema: LandmarkSchema, out: Path) -> None:
    """Write annotated faces as a table; nothing is lost. Photos are named relative to the table's folder.

    Raises:
        InputError: a place that cannot be written to.
    """
    keys = sorted({key for face in faces for key in face.attributes})
    boxes = _BOX if any(face.box is not None for face in faces) else ()
    columns = _Columns.named(schema)
    stream = io.StringIO()
    writer = row_writer(stream)
    landmarks = columns.in_turn(columns.x, columns.y, columns.v)
    writer.writerow(["image", "name", "schema", *boxes, *landmarks, *(f"attr.{key}" for key in keys)])
    for face in faces:
        row = [guarded(text) for text in (relative_path(face.image, out.parent), face.name, schema.name)]
        if boxes:
            row += [""] * 4 if face.box is None else [repr(value) for value in face.box.tolist()]
        for (x, y), flag in zip(face.points.tolist(), face.visibility.tolist(), strict=True):
            row += ["", "", "0"] if flag == UNLABELED else [repr(x), repr(y), str(flag)]
        row += [json.dumps(face.attributes[key]) if key in face.attributes else "" for key in keys]
        writer.writerow(row)
    write_text(out, stream.getvalue())


def _cells(path: Path, line: int, header: list[str], fields: list[str]) -> dict[str, str]:
    """A row by its columns."""
    row = by_column(path, line, header, fields)
    return row | {name: plain(row[name]) for name in ("image", "name", "schema") if name in row}


def _columns(path: Path, header: list[str], schema: LandmarkSchema, known_only: bool) -> _Columns:
    """The landmarks' columns in a header that has all it needs."""
    columns, old, counts = _Columns.named(schema), _Columns.numbered(schema), Counter(header)
    if not set(columns.x) & set(header) and old.x[0] in header:
        logger.warning(
            "%s: its columns x0, y0, ... are of an old dialect, in the order of schema '%s'; `efficientfan data "
            "convert csv ... --to csv` writes it anew",
            path,
            schema.name,
        )
        columns = old
    needed = ["image", *columns.in_turn(columns.x, columns.y)]
    for group in (columns.v, _BOX):
        if set(group) & set(header):
            needed += group
    missing = [name for name in needed if name not in counts]
    if missing:
        raise InputError(
            f"{path}: line 1: column '{missing[0]}' is missing ({len(missing)} in all); schema '{schema.name}' needs "
            f"image, {columns.x[0]}, {columns.y[0]} to {columns.x[-1]}, {columns.y[-1]}; {_remedy(missing[0], header)}"
        )
    known = {*needed, *columns.score, *_UNREAD, "name", "schema"}
    unknown = [n for n in header if n not in known and not n.startswith("attr.")] if known_only else []
    if unknown or len(counts) != len(header):
        odd = unknown[0] if unknown else next(name for name in header if counts[name] > 1)
        raise InputError(
            f"{path}: line 1: column {odd[:40]!r} is unknown or repeated; attributes are named attr.KEY"
        )
    return columns


def _remedy(column: str, header: Sequence[str]) -> str:
    """What may be the matter with a table without a column."""
    if any(";" in name for name in header):
        return "the table is separated by semicolons: save it with commas"
    few = list(dict.fromkeys(header))[:1000]  # each takes a while
    near = difflib.get_close_matches(column, few, n=1, cutoff=0.8)
    if near:
        return f"is it {near[0]!r}?"
    return "for landmarks of your own, name their schema, a .json file"


def _row(path: Path, line: int, row: dict[str, str], columns: _Columns, schema: LandmarkSchema) -> TableRow:
    where = f"{path}: line {line}"
    if row.get("schema") not in (None, "", schema.name):
        raise InputError(f"{where}: its schema is {row['schema'][:40]!r}, not '{schema.name}'")
    box = _box(path, line, row)
    if box is None and not any(row[name] for name in (*columns.x, *columns.y)):
        return TableRow(where, row["image"])
    points = np.full((schema.n_landmarks, 2), np.nan)
    visibility = np.full(schema.n_landmarks, UNLABELED, np.uint8)
    for index, (x, y, v) in enumerate(zip(columns.x, columns.y, columns.v, strict=True)):
        pair = [row[x], row[y]]
        if any(pair) and not all(pair):
            given, lacking = (x, y) if row[x] else (y, x)
            raise InputError(
                f"{where}: {given} is {row[given][:20]!r} and {lacking} is empty; give both or none"
            )
        flag = row.get(v, str(VISIBLE if any(pair) else UNLABELED))
        if flag not in ("0", "1", "2") or (flag != "0") != any(pair):
            raise InputError(f"{where}: {v} is {flag[:20]!r}; expected 1 or 2, or 0 with {x}, {y} empty")
        if flag != "0":
            points[index] = numbers(path, line, pair, 2, [x, y])
            visibility[index] = int(flag)
    scores = [row[name] for name in columns.score if row.get(name)]
    complete = len(scores) == schema.n_landmarks
    return TableRow(
        where,
        row["image"],
        points,
        visibility,
        box,
        np.array(numbers(path, line, scores, schema.n_landmarks, columns.score)) if complete else None,
        row.get("name", ""),
        _attributes(where, row),
    )


def _box(path: Path, line: int, row: dict[str, str]) -> Array | None:
    fields = [row.get(name, "") for name in _BOX]
    if not any(fields):
        return None
    box = np.array(numbers(path, line, fields, 4, _BOX))
    if box[2] <= box[0] or box[3] <= box[1]:
        raise InputError(f"{path}: line {line}: box {box.tolist()} (x0, y0, x1, y1) has no positive size")
    return box


def _attributes(where: str, row: dict[str, str]) -> Attributes:
    found: dict[str, str | int | float | bool] = {}
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
    """The box, the mean score, and x, y, v, score of each landmark."""
    table = face.to_dict()
    flags = [OCCLUDED if unseen else VISIBLE for unseen in face.unseen]
    landmarks = zip(table["points"], flags, table["scores"], strict=True)
    return [
        *table["box"],
        table["score"],
        *(v for (x, y), flag, score in landmarks for v in (x, y, flag, score)),
    ]
