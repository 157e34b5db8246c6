"""Landmarks from a file: what `efficientfan predict` writes, or the same content from any other tool.

JSON lines (`.jsonl`) or a JSON list (`.json`), one object per photo:
`{"image": PATH, "faces": [{"points": [[x, y], ...], "box": [x0, y0, x1, y1], "scores": [s, ...]}, ...]}`; `box`,
`scores` and all other keys may be absent. Or COCO keypoints (`.json`), with `keypoint_scores` if there are any. Or a
CSV table of `formats.csv_tables`, whose columns of other names are not read. Or a table of `formats.parquet`, or a
folder of shards.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientfan.errors import InputError
from efficientfan.evaluation.landmarks.matching import PredictedLandmarks, ReportedFace, match_faces
from efficientfan.files import read_json
from efficientfan.formats.coco import coco_landmarks, coco_records
from efficientfan.formats.csv_tables import read_rows, table_schema
from efficientfan.formats.parquet import metadata_of_parquet, read_parquet
from efficientfan.formats.records import FailedPhoto, ReadFace, list_records, parse_record, read_json_lines
from efficientfan.schema import (
    LandmarkSchema,
    convert_points,
    convert_scores,
    convert_visibility,
    get_conversion,
    get_schema,
    list_schemas,
)
from efficientfan.structures import OCCLUDED, VISIBLE, Annotation

__all__ = ["match_predictions", "predictions_schema", "read_predictions", "stream_predictions"]

logger = logging.getLogger(__name__)

Array = NDArray[Any]
Predictions = Mapping[str, Sequence[ReportedFace]]
"""Photo, as the file names it -> its faces."""


def match_predictions(
    predictions: Predictions, annotations: Sequence[Annotation], root: Path, where: str = "predictions"
) -> PredictedLandmarks:
    """Landmarks of N annotated faces out of a predictions file.

    A photo of the file is the data set's photo whose path ends in the file's path, or whose path below
    `root` ends the file's path. Several faces in one photo are matched by overlap (`match_faces`).

    Raises:
        InputError: a photo's name fits several photos of the data set, or no name fits any.
    """
    photos: dict[Path, list[int]] = defaultdict(list)
    for index, annotation in enumerate(annotations):
        photos[annotation.image].append(index)
    reported = _by_photo(predictions, list(photos), root, where)
    predicted = PredictedLandmarks.all_missed(len(annotations), len(annotations[0].points))
    for photo, members in photos.items():
        matches = match_faces(reported.get(photo, []), [annotations[i].points for i in members])
        for index, match in zip(members, matches, strict=True):
            if match is not None:
                predicted.points[index] = match.points
                if match.scores is not None:
                    predicted.scores[index] = match.scores
    return predicted


def _by_photo(
    predictions: Predictions, photos: Sequence[Path], root: Path, where: str
) -> dict[Path, list[ReportedFace]]:
    by_name: dict[str, list[Path]] = defaultdict(list)
    for photo in photos:
        by_name[photo.name].append(photo)
    found: dict[Path, list[ReportedFace]] = defaultdict(list)
    foreign = 0
    for name, faces in predictions.items():
        fitting = [
            photo for photo in by_name.get(PurePath(name).name, []) if _fits(PurePath(name), photo, root)
        ]
        if len(fitting) > 1:
            raise InputError(
                f"{where}: {name!r} fits {fitting[0]} and {fitting[1]}; write paths with their folders"
            )
        if fitting:
            found[fitting[0]].extend(faces)
        else:
            foreign += 1
    if not found:
        raise InputError(
            f"{where}: none of its {len(predictions)} photos is one of this split's, such as {photos[0]}"
        )
    if foreign:
        logger.warning("%s: %d of its photos are not in this split", where, foreign)
    if len(found) < len(photos):
        absent = len(photos) - len(found)
        logger.warning(
            "%s: %d of %d photos are absent; their faces count as missed", where, absent, len(photos)
        )
    return found


def _fits(name: PurePath, photo: Path, root: Path) -> bool:
    below = photo.relative_to(root).parts if photo.is_relative_to(root) else photo.parts
    common = 0
    for mine, theirs in zip(reversed(photo.parts), reversed(name.parts), strict=False):
        if mine != theirs:
            break
        common += 1
    return common >= min(len(name.parts), len(below))


def read_predictions(path: str | Path, schema: LandmarkSchema) -> dict[str, list[ReportedFace]]:
    """Read a predictions file (formats: see this module).

    Args:
        path: `.jsonl`, `.json` or `.csv`.
        schema: of the data set; a record that names another one is converted to it.

    Raises:
        InputError: unreadable, another format or number of points, a schema without conversion; the message
            names the file and line.
    """
    found: dict[str, list[ReportedFace]] = defaultdict(list)
    for image, faces in stream_predictions(path, schema):
        found[image].extend(faces)
    if not found:
        raise InputError(f"{path}: holds no predictions")
    return dict(found)


def stream_predictions(path: str | Path, schema: LandmarkSchema) -> Iterator[tuple[str, list[ReportedFace]]]:
    """The records of a predictions file, one after the other: a photo, as the file names it, and faces of it.

    A photo may come several times: CSV has a row for each face. Arguments and errors as for `read_predictions`.
    """
    readers = {".jsonl": lambda path, _: read_json_lines(path), ".json": _json_file, ".csv": _csv_file}
    for file in _files(Path(path)):
        if file.suffix.lower() == ".parquet":
            yield from _parquet_file(file, schema)
        else:
            for where, value in readers[file.suffix.lower()](file, schema):
                image, source, found = parse_record(value, where, schema, partial(_source, schema))
                yield image, _converted(found, source, schema)


def predictions_schema(path: str | Path) -> LandmarkSchema:
    """The schema that a predictions file says its landmarks are of: by its name, or in COCO by the landmarks' names.

    Raises:
        InputError: it says none that is known, or the file cannot be read.
    """
    name, table, file = None, None, _files(Path(path))[0]
    suffix = file.suffix.lower()
    if suffix == ".parquet":
        return LandmarkSchema.from_dict(metadata_of_parquet(file).get("landmarks"), str(file))
    if suffix == ".csv":
        name = table_schema(file)
    elif suffix == ".jsonl":
        table = next((record for _, record in read_json_lines(file) if _names_schema(record)), None)
    else:
        table = read_json(file)
        table = table[0] if isinstance(table, list) and table else table
    if isinstance(table, Mapping):
        name = table.get("schema") or _schema_of(coco_landmarks(table))
    if not isinstance(name, str):
        raise InputError(f"{path}: does not say of which schema its landmarks are; name it: --schema ibug68")
    return get_schema(name)


def _schema_of(categories: Sequence[Sequence[Any]]) -> str | None:
    """The packaged schema whose landmarks are the keypoints of a COCO file's first category that has any."""
    return next(
        (name for name in list_schemas() if categories and list(get_schema(name).landmarks) == categories[0]),
        None,
    )


def _names_schema(record: Any) -> bool:
    return isinstance(record, Mapping) and "schema" in record  # a photo that could not be used names none


def _files(path: Path) -> list[Path]:
    """The predictions file, or the shards of a folder, also of several runs below it, in a fixed order."""
    if path.is_dir():
        for suffix in (".parquet", ".jsonl"):
            shards = sorted(path.glob(f"**/faces-*{suffix}"))
            if shards:
                return shards
        raise InputError(f"{path}: holds no shards of `efficientfan predict --out FOLDER --format parquet`")
    if path.suffix.lower() not in (".jsonl", ".json", ".csv", ".parquet"):
        raise InputError(
            f"{path}: predictions are a .jsonl, .json, .csv or .parquet file, or a folder of shards"
        )
    return [path]


def _parquet_file(path: Path, schema: LandmarkSchema) -> Iterator[tuple[str, list[ReportedFace]]]:
    for result in read_parquet(path):
        if isinstance(result, FailedPhoto):
            yield result.image, []
            continue
        source = result.schema
        if source.name != schema.name:
            _source(schema, source.name, f"{path}: {result.image}")  # an error where there is no conversion
        faces = (
            ReadFace(
                face.points,
                face.box.astype(np.float64),
                face.scores,
                None if face.visibility is None else np.where(face.unseen, OCCLUDED, VISIBLE),
            )
            for face in result.faces
        )
        yield result.image, _converted(faces, source, schema)


def _json_file(path: Path, schema: LandmarkSchema) -> Iterator[tuple[str, Any]]:
    table = read_json(path)
    if isinstance(table, Mapping) and isinstance(table.get("annotations"), list):
        return coco_records(path, table, schema)
    if isinstance(table, list):
        return list_records(path, table)
    raise InputError(f"{path}: must be a list of objects, one per photo, or COCO's object of lists")


def _csv_file(path: Path, schema: LandmarkSchema) -> Iterator[tuple[str, Any]]:
    source = _source(schema, table_schema(path) or schema.name, f"{path}: line 2")
    for row in read_rows(path, source, known_only=False):
        face = {"points": row.points, "box": row.box, "scores": row.scores, "flags": row.visibility}
        faces = [face] if row.visibility is not None and row.visibility.any() else []
        yield row.where, {"image": row.image, "schema": source.name, "faces": faces}


def _converted(
    faces: Iterable[ReadFace], source: LandmarkSchema, schema: LandmarkSchema
) -> list[ReportedFace]:
    """Faces with the landmarks of the data set's schema."""
    return [
        ReportedFace(
            convert_points(face.points, source, schema).astype(np.float64),
            face.box,
            None if face.scores is None else convert_scores(face.scores, source, schema),
            None if face.flags is None else convert_visibility(face.flags, source, schema),
        )
        for face in faces
    ]


def _source(schema: LandmarkSchema, name: Any, where: str) -> LandmarkSchema:
    """The schema that a record names, if its points can be converted to the data set's."""
    if name == schema.name:
        return schema
    try:
        source = get_schema(str(name))
        get_conversion(source, schema)
    except InputError as error:
        raise InputError(
            f"{where}: its schema is {name!r}, the data set's is {schema.name!r}, with no conversion: {error}"
        ) from error
    return source
