"""The faces of one photo as a record, the interface of its writers, and JSON lines and JSON lists of records."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TextIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from efficientfan.errors import InputError
from efficientfan.files import read_text
from efficientfan.schema import LandmarkSchema
from efficientfan.structures import OCCLUDED, UNLABELED, VISIBILITY_CLASSES, VISIBLE, Face

__all__ = [
    "FaceFiles",
    "FailedPhoto",
    "JsonLinesWriter",
    "JsonListWriter",
    "ReadFace",
    "Record",
    "RecordWriter",
    "Result",
    "list_records",
    "parse_record",
    "read_json_lines",
]

Array = NDArray[Any]

_FURTHER = re.compile(r"(.+)_face(?:[2-9]|[1-9][0-9]+)", re.DOTALL)


@dataclass(frozen=True)
class Record:
    """The result of one photo, or of one frame of a video.

    Attributes:
        image: the photo's or video's path as the user wrote it.
        width, height: in pixels, of the upright photo (EXIF orientation applied).
        model: name of the model.
        schema: of the landmarks.
        faces: its faces, possibly none.
        pose: whether `to_dict` says the pose and the openness of each face.
        frame: number of the frame, from 0; None for photos.
        time: seconds since the video's first frame; None for photos.
    """

    image: str
    width: int
    height: int
    model: str
    schema: LandmarkSchema
    faces: list[Face]
    pose: bool = False
    frame: int | None = None
    time: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        place = {} if self.time is None else {"frame": self.frame, "time": round(self.time, 6)}
        return {
            "image": self.image,
            **place,
            "width": self.width,
            "height": self.height,
            "model": self.model,
            "schema": self.schema.name,
            "faces": [_without_source(face.to_dict(pose=self.pose)) for face in self.faces],
        }


@dataclass(frozen=True)
class FailedPhoto:
    """A photo without a result.

    Attributes:
        image: its path as the user wrote it.
        reason: one line that says what is wrong.
    """

    image: str
    reason: str


Result: TypeAlias = Record | FailedPhoto
"""What becomes of a photo."""


def _without_source(face: dict[str, Any]) -> dict[str, Any]:
    """A face's values without those that its record holds for all faces."""
    return {key: value for key, value in face.items() if key not in ("schema", "model")}


class FaceFiles:
    """The files of results that are one file per face.

    The largest face of photo `a.jpg` has the photo's own file, further ones `a_face2`, `a_face3`, ... beside it.

    Args:
        targets: photo's path -> path of the file of its first face.

    Raises:
        InputError: a photo has the name that a further face of another would get.
    """

    def __init__(self, targets: Mapping[str, Path]) -> None:
        photos = {target: photo for photo, target in targets.items()}
        for target, photo in photos.items():
            further = _FURTHER.fullmatch(target.stem)
            other = photos.get(target.with_stem(further[1])) if further else None
            if other is not None:
                raise InputError(
                    f"{target}: would be written for {photo} and for a further face of {other}; write them to "
                    "different folders"
                )
        self._targets = targets

    def path(self, image: str, number: int) -> Path:
        """The file of face `number`, from 1, of the photo with path `image`."""
        first = self._targets[image]
        return first if number == 1 else first.with_stem(f"{first.stem}_face{number}")


class RecordWriter(Protocol):
    """Writes records one by one."""

    def add(self, record: Record) -> None:
        """Write one record."""

    def fail(self, failed: FailedPhoto) -> None:
        """Write a photo that could not be used, if the format can say so."""

    def finish(self) -> None:
        """Write what comes after the last one."""


class JsonLinesWriter:
    """One record per line, flushed at once, so that another program can read along.

    Args:
        stream: what is written to.
        failures: write a line with `image`, `error` and no faces for each failed photo; else nothing.
    """

    def __init__(self, stream: TextIO, *, failures: bool = False) -> None:
        self._stream = stream
        self._failures = failures

    def add(self, record: Record) -> None:
        """Write one line."""
        self._stream.write(json.dumps(record.to_dict(), allow_nan=False) + "\n")
        self._stream.flush()

    def fail(self, failed: FailedPhoto) -> None:
        """Write one line, where lines of failed photos are wanted."""
        if self._failures:
            self._stream.write(
                json.dumps({"image": failed.image, "error": failed.reason, "faces": []}) + "\n"
            )

    def finish(self) -> None:
        """Nothing is left to write."""


class JsonListWriter:
    """A JSON list, one record per line. Records are written as they come; nothing is collected."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._separator = "[\n"

    def add(self, record: Record) -> None:
        """Write one row."""
        self._stream.write(self._separator + json.dumps(record.to_dict(), allow_nan=False))
        self._separator = ",\n"

    def fail(self, failed: FailedPhoto) -> None:
        """Failed photos are left out."""

    def finish(self) -> None:
        """Close the list."""
        self._stream.write("[]\n" if self._separator == "[\n" else "\n]\n")


def read_json_lines(path: Path) -> Iterator[tuple[str, Any]]:
    """The values of a JSON Lines file, unchecked: place (file and line) and value of each line that is not empty.

    Raises:
        InputError: the file cannot be read, or a line is not JSON.
    """
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if line.strip():
            try:
                yield f"{path}: line {number}", json.loads(line)
            except (ValueError, RecursionError) as error:
                raise InputError(f"{path}: line {number}: is not JSON ({error})") from error


def list_records(path: Path, table: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """The values of a JSON list that was read from `path`, unchecked: place and value of each entry."""
    for number, record in enumerate(table, start=1):
        yield f"{path}: entry {number}", record


@dataclass(frozen=True)
class ReadFace:
    """A face as a file has it.

    Attributes:
        points: (K, 2) float64, (x, y) in image pixels.
        box: (4,) float64 xyxy in image pixels, or None.
        scores: (K,) float64, or None.
        flags: (K,) of `UNLABELED`, `OCCLUDED`, `VISIBLE`, or None.
    """

    points: Array
    box: Array | None = None
    scores: Array | None = None
    flags: Array | None = None


def parse_record(
    record: Any, where: str, schema: LandmarkSchema, schema_of: Callable[[Any, str], LandmarkSchema]
) -> tuple[str, LandmarkSchema, list[ReadFace]]:
    """A photo, the schema of its landmarks, and its faces, out of what `Record.to_dict` gives.

    Needed are `image`, and `faces` with `points`. A face's `box`, `scores` and `visibility` may be absent; other
    formats have `flags` in place of `visibility`.

    Args:
        record: the values.
        where: file and line, for messages.
        schema: of a record that names none.
        schema_of: finds the schema that a record names: (name, where) -> schema.

    Raises:
        InputError: something is missing, or of another type or shape.
    """
    if not isinstance(record, Mapping) or not isinstance(record.get("image"), str):
        raise InputError(f"{where}: must be an object with the key 'image'")
    if "schema" in record:
        schema = schema_of(record["schema"], where)
    faces = record.get("faces")
    if not isinstance(faces, list) or not all(isinstance(face, Mapping) for face in faces):
        raise InputError(f"{where}: 'faces' must be a list of objects")
    return record["image"], schema, [_read_face(face, schema.n_landmarks, where) for face in faces]


def _read_face(face: Mapping[str, Any], k: int, where: str) -> ReadFace:
    unscored = "leave the key out where a face has no score for each landmark"
    box, scores = face.get("box"), face.get("scores")
    return ReadFace(
        _numbers(face.get("points"), (k, 2), f"{where}: 'points'"),
        None if box is None else _numbers(box, (4,), f"{where}: 'box'"),
        None if scores is None else _numbers(scores, (k,), f"{where}: 'scores'", unscored),
        _flags(face, k),
    )


def _flags(face: Mapping[str, Any], k: int) -> Array | None:
    """(K,) flags of a face: as a table has them, or as `visibility` makes likely; None for anything else."""
    if face.get("flags") is not None:
        flags = np.asarray(face["flags"])
        return flags if np.isin(flags, (UNLABELED, OCCLUDED, VISIBLE)).all() else None
    try:
        likely = np.array(face.get("visibility"), dtype=np.float64)
    except (TypeError, ValueError):
        return None
    if likely.shape != (k, len(VISIBILITY_CLASSES)):
        return None
    seen = likely.argmax(axis=1) == VISIBILITY_CLASSES.index("visible")
    return np.where(seen, VISIBLE, OCCLUDED)


def _numbers(
    value: Any, shape: tuple[int, ...], where: str, remedy: str = "leave out a face that was not found"
) -> Array:
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{where} must be numbers ({error})") from error
    if array.shape != shape:
        raise InputError(f"{where} must have shape {shape}, not {array.shape}; {remedy}")
    if not np.isfinite(array).all():
        raise InputError(f"{where} holds a value that is not finite; {remedy}")
    return array
