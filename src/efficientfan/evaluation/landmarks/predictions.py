"""Any tool's landmarks from a file: what `efficientfan predict` writes, or the same content from elsewhere.

JSON lines (`.jsonl`) or a JSON list (`.json`), one object a photo:
`{"image": PATH, "faces": [{"points": [[x, y], ...], "box": [x0, y0, x1, y1], "scores": [s, ...]}, ...]}`; `box`,
`scores` and all other keys may be absent. Or COCO keypoints (`.json`), whose v is not looked at, with
`keypoint_scores` if there are any. Or CSV (`.csv`), one row a face, with a column `image`, landmark columns in
pairs `<landmark>_x,<landmark>_y` in the schema's order and, if there are boxes, `box_x0,box_y0,box_x1,box_y1`,
if there are scores, `<landmark>_score` for each landmark.
"""

from __future__ import annotations

import csv
import json
import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientfan.errors import InputError
from efficientfan.evaluation.landmarks.matching import Candidate, Located, match_faces
from efficientfan.files import read_json, read_text
from efficientfan.schema import LandmarkSchema, convert_points, convert_scores, get_conversion, get_schema
from efficientfan.structures import Annotation

__all__ = ["points_from_predictions", "read_predictions"]

logger = logging.getLogger(__name__)

Array = NDArray[Any]
Predictions = Mapping[str, Sequence[Candidate]]
"""Photo, as the file names it -> its faces."""


def points_from_predictions(
    predictions: Predictions, annotations: Sequence[Annotation], root: Path, where: str = "predictions"
) -> Located:
    """What a predictions file says of N annotated faces.

    A photo of the file is the data set's photo whose path ends in the file's path, or whose path below
    `root` ends the file's path. Several faces in one photo are matched by overlap (`match_faces`).

    Raises:
        InputError: a photo's name fits several photos of the data set, or no name fits any.
    """
    photos: dict[Path, list[int]] = defaultdict(list)
    for index, annotation in enumerate(annotations):
        photos[annotation.image].append(index)
    candidates = _by_photo(predictions, list(photos), root, where)
    located = Located.nowhere(len(annotations), len(annotations[0].points))
    for photo, members in photos.items():
        matches = match_faces(candidates.get(photo, []), [annotations[i].points for i in members])
        for index, match in zip(members, matches, strict=True):
            if match is not None:
                located.points[index] = match.points
                if match.scores is not None:
                    located.scores[index] = match.scores
    return located


def _by_photo(
    predictions: Predictions, photos: Sequence[Path], root: Path, where: str
) -> dict[Path, list[Candidate]]:
    by_name: dict[str, list[Path]] = defaultdict(list)
    for photo in photos:
        by_name[photo.name].append(photo)
    found: dict[Path, list[Candidate]] = defaultdict(list)
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


def read_predictions(path: str | Path, schema: LandmarkSchema) -> dict[str, list[Candidate]]:
    """Read a predictions file (formats: see this module).

    Args:
        path: `.jsonl`, `.json` or `.csv`.
        schema: of the data set; a record that names another one is converted to it.

    Raises:
        InputError: unreadable, another format or number of points, a schema without conversion; the message
            names the file and line.
    """
    readers = {".jsonl": _json_lines, ".json": _json_file, ".csv": _csv_rows}
    suffix = Path(path).suffix.lower()
    if suffix not in readers:
        raise InputError(f"{path}: predictions are a .jsonl, .json or .csv file")
    found: dict[str, list[Candidate]] = defaultdict(list)
    for where, record in readers[suffix](Path(path), schema):
        image, faces = _record(record, schema, where)
        found[image].extend(faces)
    if not found:
        raise InputError(f"{path}: holds no predictions")
    return dict(found)


def _json_lines(path: Path, schema: LandmarkSchema) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if line.strip():
            try:
                yield f"{path}: line {number}", json.loads(line)
            except (json.JSONDecodeError, RecursionError) as error:
                raise InputError(f"{path}: line {number}: is not JSON ({error})") from error


def _json_file(path: Path, schema: LandmarkSchema) -> Iterator[tuple[str, Any]]:
    table = read_json(path)
    if isinstance(table, Mapping) and isinstance(table.get("annotations"), list):
        yield from _coco(path, table, schema)
    elif isinstance(table, list):
        for number, record in enumerate(table, start=1):
            yield f"{path}: entry {number}", record
    else:
        raise InputError(f"{path}: must be a list of objects, one a photo, or COCO's object of lists")


def _coco(path: Path, table: Mapping[str, Any], schema: LandmarkSchema) -> Iterator[tuple[str, Any]]:
    images = table.get("images")
    if not isinstance(images, list) or not all(
        isinstance(image, Mapping) and isinstance(image.get("id"), int | str) for image in images
    ):
        raise InputError(f"{path}: 'images' must be a list of objects with 'id' and 'file_name'")
    faces: dict[int | str, list[dict[str, Any]]] = {image["id"]: [] for image in images}
    for number, entry in enumerate(table["annotations"], start=1):
        where = f"{path}: annotation {number}"
        image_id = entry.get("image_id") if isinstance(entry, Mapping) else None
        if not isinstance(image_id, int | str) or image_id not in faces:
            raise InputError(f"{where}: its 'image_id' names none of the file's images")
        keypoints = _numbers(entry.get("keypoints"), (3 * schema.n_landmarks,), f"{where}: 'keypoints'")
        face: dict[str, Any] = {"points": keypoints.reshape(-1, 3)[:, :2]}
        if entry.get("bbox") is not None:
            x, y, width, height = _numbers(entry["bbox"], (4,), f"{where}: 'bbox'")
            face["box"] = [x, y, x + width, y + height]
        face["scores"] = entry.get("keypoint_scores")
        faces[image_id].append(face)
    for number, image in enumerate(images, start=1):
        yield f"{path}: image {number}", {"image": image.get("file_name"), "faces": faces[image["id"]]}


_BOX_COLUMNS = ("box_x0", "box_y0", "box_x1", "box_y1")


def _csv_rows(path: Path, schema: LandmarkSchema) -> Iterator[tuple[str, Any]]:
    reader = csv.DictReader(read_text(path).splitlines())
    columns = [f"{name}_{axis}" for name in schema.landmarks for axis in "xy"]
    scores = [f"{name}_score" for name in schema.landmarks]
    missing = [c for c in ("image", *columns) if c not in (reader.fieldnames or [])]
    if missing:
        raise InputError(
            f"{path}: line 1: lacks the column {missing[0]!r} ({len(missing)} of {schema.name!r}'s)"
        )
    for row in reader:
        if not row[columns[0]]:  # a photo in which no face was found
            yield f"{path}: line {reader.line_num}", {"image": row["image"], "faces": []}
            continue
        face: dict[str, Any] = {
            "points": [[row[x], row[y]] for x, y in zip(*[iter(columns)] * 2, strict=True)]
        }
        if all(row.get(c) for c in _BOX_COLUMNS):
            face["box"] = [row[c] for c in _BOX_COLUMNS]
        if all(row.get(c) for c in scores):
            face["scores"] = [row[c] for c in scores]
        yield f"{path}: line {reader.line_num}", {"image": row["image"], "faces": [face]}


def _record(record: Any, schema: LandmarkSchema, where: str) -> tuple[str, list[Candidate]]:
    if not isinstance(record, Mapping) or not isinstance(record.get("image"), str):
        raise InputError(f"{where}: must be an object with the key 'image'")
    source = _source(record.get("schema", schema.name), schema, where)
    faces = record.get("faces")
    if not isinstance(faces, list) or not all(isinstance(face, Mapping) for face in faces):
        raise InputError(f"{where}: 'faces' must be a list of objects")
    return record["image"], [
        Candidate(
            convert_points(
                _numbers(face.get("points"), (source.n_landmarks, 2), f"{where}: 'points'"), source, schema
            ),
            _numbers(face["box"], (4,), f"{where}: 'box'") if face.get("box") is not None else None,
            convert_scores(
                _numbers(
                    face["scores"],
                    (source.n_landmarks,),
                    f"{where}: 'scores'",
                    "leave the key out where a face has no score for each landmark",
                ),
                source,
                schema,
            )
            if face.get("scores") is not None
            else None,
        )
        for face in faces
    ]


def _source(name: Any, schema: LandmarkSchema, where: str) -> LandmarkSchema:
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


def _numbers(
    value: Any, shape: tuple[int, ...], where: str, mend: str = "leave out a face that was not found"
) -> Array:
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{where} must be numbers ({error})") from error
    if array.shape != shape:
        raise InputError(f"{where} must have shape {shape}, not {array.shape}; {mend}")
    if not np.isfinite(array).all():
        raise InputError(f"{where} holds a value that is not finite; {mend}")
    return array
