"""Data sets, predictions, boxes and schemas: damaged files are read whole, or refused."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from unittest.mock import patch

import numpy as np
from tiny_datasets import MAKERS, points_of, pts_text

from efficientfan.data.catalog import load_dataset
from efficientfan.data.packed import pack_dataset
from efficientfan.data.readers import aflw
from efficientfan.evaluation.landmarks.predictions import predictions_schema, read_predictions
from efficientfan.formats.parquet import ParquetWriter, read_parquet, tables_metadata
from efficientfan.formats.pts import read_pts
from efficientfan.formats.records import Record
from efficientfan.predict.given_boxes import read_boxes
from efficientfan.schema import get_schema
from efficientfan.schema.registry import load_schema
from efficientfan.structures import UNLABELED, Face
from fuzzing.mutations import damaged, odd_tree

__all__ = ["FILES", "File"]


class File:
    """A file of some kind, and what reads it."""

    seconds, megabytes = 5.0, 64.0

    def __init__(self, path: Path, whole: bytes, read: Callable[[Path], object]) -> None:
        self._path = path
        self._whole = whole
        self._read = read
        self.run(whole)  # else nothing would be tried but refusals

    def draw(self, chance: Random) -> bytes:
        if chance.random() < 0.05:
            return chance.randbytes(chance.randrange(200))
        if self._path.suffix == ".json" and chance.random() < 0.5:
            return json.dumps(odd_tree(json.loads(self._whole), chance)).encode()
        return damaged(self._whole, self._whole, chance)

    def run(self, content: bytes) -> None:
        self._path.write_bytes(content)
        self._read(self._path)


def _dataset(folder: Path, name: str) -> File:
    """The first annotation file of a tiny data set: every face of it is read, or none."""
    tiny = MAKERS[name](folder)
    label = tiny.labels[0]

    def read(path: Path) -> None:
        with patch.object(aflw, "N_TRAIN", 2):
            faces = load_dataset(name, tiny.root, tiny.split, schema=tiny.schema, warn=False)
        assert len(faces) == _count(name, path, len(tiny.points))
        for face in faces:
            assert np.isfinite(face.points[face.visibility != UNLABELED]).all()
            assert face.image.is_file()

    return File(label, label.read_bytes(), read)


def _count(name: str, path: Path, count: int) -> int:
    """How many faces a data set has whose file, a list of faces in some, was read without complaint."""
    if name == "coco":
        return len(json.loads(path.read_text("utf-8-sig"))["annotations"])
    if name == "csv":
        with path.open(encoding="utf-8-sig", newline="") as file:
            # A row of nothing but a photo holds no face.
            return sum(any(row[1:]) for row in csv.reader(file.read().splitlines())) - 1
    if name == "wflw":
        return sum(bool(line.strip()) for line in path.read_text("utf-8-sig").split("\n"))
    return count


def _points(folder: Path) -> File:
    def read(path: Path) -> None:
        points = read_pts(path)
        assert len(points)
        assert np.isfinite(points).all()

    return File(folder / "a.pts", pts_text(points_of(5, 0)).encode(), read)


def _records() -> list[Record]:
    """Two photos with a face each, and one without."""
    schema = get_schema("five")
    faces = [Face([8, 7, 52, 41], points_of(5, seed), np.full(5, 0.9), schema) for seed in range(2)]
    return [
        Record(f"{number}.jpg", 64, 48, "tiny", schema, own)
        for number, own in enumerate([faces[:1], [], faces[1:]])
    ]


def _predictions(folder: Path, suffix: str) -> File:
    """A file of predictions, as training, evaluation and review read it."""
    tables = [record.to_dict() for record in _records()]
    text = json.dumps(tables) if suffix == ".json" else "\n".join(map(json.dumps, tables))

    def read(path: Path) -> None:
        for faces in read_predictions(path, predictions_schema(path)).values():
            assert all(np.isfinite(face.points).all() for face in faces)

    return File(folder / f"faces{suffix}", text.encode(), read)


def _parquet(folder: Path) -> File:
    path = folder / "faces.parquet"
    with path.open("wb") as stream:
        writer = ParquetWriter(stream, tables_metadata(get_schema("five")))
        for record in _records():
            writer.add(record)
        writer.finish()
    return File(path, path.read_bytes(), lambda path: list(read_parquet(path)))


def _boxes(folder: Path, suffix: str) -> File:
    text = {
        ".json": '{"a.jpg": [[1, 2, 30.5, 40]], "b.jpg": []}',
        ".csv": "image,x0,y0,x1,y1\na.jpg,1,2,30.5,40\n",
    }

    def read(path: Path) -> None:
        for boxes in read_boxes(path).values():
            assert boxes.ndim == 2
            assert boxes.shape[1] == 4
            assert np.isfinite(boxes).all()

    return File(folder / f"boxes{suffix}", text[suffix].encode(), read)


def _schema(folder: Path) -> File:
    return File(folder / "five.json", json.dumps(get_schema("five").to_dict()).encode(), load_schema)


def _packed(folder: Path) -> File:
    """The index of a packed data set."""
    tiny = MAKERS["coco"](folder / "whole")
    faces = load_dataset("coco", tiny.root, tiny.split, schema="five")
    pack_dataset(faces, folder / "packed", "train", dataset="coco", schema=get_schema("five"))
    index = folder / "packed" / "train.index.npz"
    return File(
        index, index.read_bytes(), lambda path: load_dataset("coco", path.parent, "train", schema="five")
    )


FILES: dict[str, Callable[[Path], File]] = {
    **{name: partial(_dataset, name=name) for name in MAKERS},
    ".pts": _points,
    "predictions.jsonl": partial(_predictions, suffix=".jsonl"),
    "predictions.json": partial(_predictions, suffix=".json"),
    "predictions.parquet": _parquet,
    "boxes.json": partial(_boxes, suffix=".json"),
    "boxes.csv": partial(_boxes, suffix=".csv"),
    "schema.json": _schema,
    "packed": _packed,
}
"""Name of a kind -> what makes it in a folder."""
