"""A parquet table of faces: one row per face, and one per photo that has none or could not be used (extra `parquet`).

| column | type | holds |
|---|---|---|
| `image` | string | the photo's or video's path as it was given |
| `frame`, `time` | int64, float64 | of videos: number of the frame, from 0, and seconds; else null |
| `width`, `height` | int32 | of the upright photo, in pixels; null where `error` is not |
| `error` | string | why the photo has no result; null for all others |
| `n_faces` | int32 | faces of the photo; 0 where it has none, null where `error` is not |
| `face` | int32 | number of the face in its photo, from 0, the largest first; null, as all below, without a face |
| `track_id` | int64 | of videos: the face's number, the same in all frames |
| `box` | list of 4 float32 | x0, y0, x1, y1 in image pixels |
| `roll` | float64 | degrees, counter-clockwise, by which the crop was turned to be upright |
| `score` | float32 | mean landmark score, in [0, 1] |
| `detector_box`, `detector_score` | list of 4 float32, float32 | as the detector gave them |
| `points` | list of K lists of 2 float32 | (x, y) in image pixels, 0-based, pixel centers at integers |
| `scores` | list of K float32 | in [0, 1] |
| `visibility` | list of K lists of 3 float32 | of being visible, covered, turned away; or null |
| `pose` | list of 3 float32 | yaw, pitch, roll in degrees, with `--pose` and where they are known |
| `eye_openness` | list of 2 float32 | of the person's right and left eye, with `--pose` |
| `mouth_openness` | float32 | with `--pose` |
| `model`, `schema` | string | their names |

Every table has all columns, whatever the options. Values are the network's own float32, not rounded (pose and openness
are). Bytes of a file name that are no UTF-8 are written as `\\xff`. The file's metadata holds one JSON object at the
key `efficientfan`: `table` (this layout's version), `landmarks` (the schema's own table) and what the run was made
with.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from efficientfan.errors import InputError, first_line, needs_extra
from efficientfan.formats.records import FailedPhoto, Record, Result
from efficientfan.schema import LandmarkSchema, get_schema
from efficientfan.structures import Face

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "ParquetWriter",
    "arrow_schema",
    "metadata_of_parquet",
    "read_parquet",
    "table_of",
    "tables_metadata",
]

Array = NDArray[Any]

TABLE_VERSION = 1
_KEY = b"efficientfan"
_LISTS = ("box", "detector_box", "points", "scores", "visibility", "pose")
"""The list columns that are read back."""


def tables_metadata(schema: LandmarkSchema, run: Mapping[str, Any] | None = None) -> dict[bytes, bytes]:
    """The metadata of a table's file.

    Args:
        schema: of the faces.
        run: plain values that say what the run was made with, such as the digests of model and detector.
    """
    table = {"table": TABLE_VERSION, "landmarks": schema.to_dict(), **(run or {})}
    return {_KEY: json.dumps(table, allow_nan=False).encode()}


def arrow_schema(metadata: Mapping[bytes, bytes] | None = None) -> pa.Schema:
    """The columns of a table, with a file's metadata.

    Raises:
        MissingDependencyError: pyarrow is not installed.
    """
    with needs_extra("parquet", "parquet files need"):
        import pyarrow as pa
    number, text = pa.float32(), pa.string()
    row, rows = pa.list_(number), pa.list_(pa.list_(number))
    columns = [
        ("image", text),
        ("frame", pa.int64()),
        ("time", pa.float64()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("error", text),
        ("n_faces", pa.int32()),
        ("face", pa.int32()),
        ("track_id", pa.int64()),
        ("box", row),
        ("roll", pa.float64()),
        ("score", number),
        ("detector_box", row),
        ("detector_score", number),
        ("points", rows),
        ("scores", row),
        ("visibility", rows),
        ("pose", row),
        ("eye_openness", row),
        ("mouth_openness", number),
        ("model", text),
        ("schema", text),
    ]
    return pa.schema(columns, metadata=dict(metadata or {}))


def table_of(results: Sequence[Result], metadata: Mapping[bytes, bytes] | None = None) -> pa.Table:
    """The rows of some photos, in their order.

    Args:
        results: any number.
        metadata: of `tables_metadata`.

    Raises:
        MissingDependencyError: pyarrow is not installed.
    """
    schema = arrow_schema(metadata)
    import pyarrow as pa

    rows = [row for result in results for row in _rows(result)]
    columns = []
    for field in schema:
        values = [row.get(field.name) for row in rows]
        nested = pa.types.is_list(field.type)
        columns.append(_lists(values, field.type) if nested else pa.array(values, field.type))
    return pa.Table.from_arrays(columns, schema=schema)


class ParquetWriter:
    """Writes found faces as a parquet file, a group of photos at a time.

    Args:
        stream: open for writing, in binary mode.
        metadata: of `tables_metadata`.
        group: photos of one row group; as many are held in memory.

    Raises:
        MissingDependencyError: pyarrow is not installed.
    """

    def __init__(
        self, stream: BinaryIO, metadata: Mapping[bytes, bytes] | None = None, *, group: int = 1000
    ) -> None:
        schema = arrow_schema(metadata)
        import pyarrow.parquet as pq

        self._schema = schema
        self._metadata = metadata
        self._group = group
        self._waiting: list[Result] = []
        # Coordinates hardly repeat: a dictionary would cost time and save nothing.
        self._file = pq.ParquetWriter(
            stream, schema, compression="zstd", use_dictionary=["image", "error", "model", "schema"]
        )

    def add(self, record: Record) -> None:
        """Take one photo or frame and its faces."""
        self._take(record)

    def fail(self, failed: FailedPhoto) -> None:
        """Take one photo that could not be used."""
        self._take(failed)

    def add_table(self, table: pa.Table) -> None:
        """Write rows of `table_of`, or such as were read from a table of faces, as a row group."""
        self._flush()
        self._file.write_table(table.cast(self._schema))

    def finish(self) -> None:
        """Write what is left, and the end of the file."""
        self._flush()
        self._file.close()

    def _take(self, result: Result) -> None:
        self._waiting.append(result)
        if len(self._waiting) >= self._group:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self._file.write_table(table_of(self._waiting, self._metadata))
            self._waiting = []


def read_parquet(path: str | Path) -> Iterator[Result]:
    """The photos of a table, in its order, with the faces as they were found, bit for bit.

    `Record.pose` says whether a face of the photo has a pose; the pose itself is computed anew where it is asked for.

    Raises:
        InputError: no such file, damaged, or no table of faces.
        MissingDependencyError: pyarrow is not installed.
    """
    metadata = metadata_of_parquet(path)
    import pyarrow.parquet as pq

    schemas: dict[str, LandmarkSchema] = {}
    if "landmarks" in metadata:
        schema = LandmarkSchema.from_dict(metadata["landmarks"], str(path))
        schemas[schema.name] = schema
    photo: list[dict[str, Any]] = []
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(1024):
                for row in _cells_of(batch):
                    if photo and not row["face"]:  # null or 0: the first row of the next photo
                        yield _result(photo, schemas)
                        photo = []
                    photo.append(row)
        if photo:
            yield _result(photo, schemas)
    except InputError:
        raise
    except Exception as error:  # pyarrow and numpy raise errors of many types on damaged files
        raise InputError(f"{path}: is no whole table of faces ({first_line(error)})") from error


def metadata_of_parquet(path: str | Path) -> dict[str, Any]:
    """What a table's file says of itself: `table`, `landmarks`, and what the run was made with.

    Raises:
        InputError: no such file, damaged, or no table of faces.
        MissingDependencyError: pyarrow is not installed.
    """
    with needs_extra("parquet", "parquet files need"):
        import pyarrow.parquet as pq

    try:
        text = (pq.read_schema(path).metadata or {}).get(_KEY)
    except Exception as error:  # as above
        raise InputError(f"{path}: cannot be read as parquet ({first_line(error)})") from error
    if text is None:
        raise InputError(
            f"{path}: is not a table of faces; `efficientfan predict --out FILE.parquet` writes one"
        )
    try:
        table = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: its metadata is damaged ({first_line(error)})") from error
    if not isinstance(table, dict):
        raise InputError(f"{path}: its metadata is damaged (no object)")
    if table.get("table") != TABLE_VERSION:
        raise InputError(
            f"{path}: is a table of version {table.get('table')}; this version reads {TABLE_VERSION}"
        )
    return table


def _rows(result: Result) -> list[dict[str, Any]]:
    """The cells that are not null of a photo's rows."""
    image = os.fsencode(result.image).decode("utf-8", "backslashreplace")
    if isinstance(result, FailedPhoto):
        return [{"image": image, "error": result.reason.encode("utf-8", "replace").decode()}]
    photo = {
        "image": image,
        "frame": result.frame,
        "time": result.time,
        "width": result.width,
        "height": result.height,
        "n_faces": len(result.faces),
        "model": result.model,
        "schema": result.schema.name,
    }
    return [
        {**photo, "face": number, **_cells(face, result.pose)} for number, face in enumerate(result.faces)
    ] or [photo]


def _cells(face: Face, pose: bool) -> dict[str, Any]:
    cells: dict[str, Any] = {
        "track_id": face.track_id,
        "box": face.box,
        "roll": face.roll,
        "score": face.score,
        "detector_box": face.detector_box,
        "detector_score": face.detector_score,
        "points": face.points,
        "scores": face.scores,
        "visibility": face.visibility,
    }
    if pose:
        from efficientfan.pose import describe

        told = describe(face)
        angles = told.pop("pose")
        cells |= told
        if angles is not None:
            cells["pose"] = [angles["yaw"], angles["pitch"], angles["roll"]]
    return cells


def _lists(values: Sequence[Array | list[float | None] | None], kind: pa.ListType) -> pa.Array:
    """A column of rows of numbers, or of tables of numbers; from arrays without a Python object per number."""
    import pyarrow as pa

    if not pa.types.is_list(kind.value_type):
        return pa.array(values, kind)
    present = [value for value in values if value is not None]
    if not present:
        return pa.nulls(len(values), kind)
    flat = np.concatenate([np.asarray(value, np.float32) for value in present])  # (sum of K) x width
    width = flat.shape[1]
    inner = pa.ListArray.from_arrays(
        pa.array(np.arange(len(flat) + 1, dtype=np.int32) * width), pa.array(flat.ravel())
    )
    lengths = [0 if value is None else len(value) for value in values]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    missing = pa.array([value is None for value in values])
    return pa.ListArray.from_arrays(pa.array(offsets), inner, mask=missing)


def _cells_of(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    """The rows of a batch, with an array in place of each list, without a Python object per number."""
    lists = {name: _arrays(batch.column(name)) for name in _LISTS}
    for place, row in enumerate(batch.select([n for n in batch.schema.names if n not in _LISTS]).to_pylist()):
        yield row | {name: arrays[place] for name, arrays in lists.items()}


def _arrays(column: pa.ListArray) -> list[Array | None]:
    """What `_lists` wrote: an array per row, None where it is null."""
    import pyarrow as pa

    lengths = column.value_lengths().to_pylist()
    flat = column.flatten()
    if pa.types.is_list(flat.type) and len(flat):  # rows of rows, all equally wide
        numbers = np.array(flat.flatten()).reshape(len(flat), -1)
    else:
        numbers = np.array(flat)
    ends = np.cumsum([length or 0 for length in lengths])
    return [
        None if length is None else numbers[end - length : end]
        for length, end in zip(lengths, ends, strict=True)
    ]


def _result(rows: list[dict[str, Any]], schemas: dict[str, LandmarkSchema]) -> Result:
    first = rows[0]
    if first["error"] is not None:
        return FailedPhoto(first["image"], first["error"])
    name = first["schema"]
    schema = schemas.get(name) or schemas.setdefault(name, get_schema(name))
    return Record(
        first["image"],
        first["width"],
        first["height"],
        first["model"],
        schema,
        [_face(row, schema) for row in rows if row["face"] is not None],
        pose=any(row["pose"] is not None for row in rows),
        frame=first["frame"],
        time=first["time"],
    )


def _face(row: dict[str, Any], schema: LandmarkSchema) -> Face:
    return Face(
        row["box"],
        row["points"],
        row["scores"],
        schema,
        row["visibility"],
        row["model"],
        roll=row["roll"],
        detector_box=row["detector_box"],
        detector_score=row["detector_score"],
        track_id=row["track_id"],
    )
