"""Records of three photos, of two faces, none and one, for the tests of what is written."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from efficientfan.formats.records import Record
from efficientfan.predict.output import open_output
from efficientfan.predict.photos import Photo
from efficientfan.schema import get_schema
from efficientfan.structures import Face

SCHEMA = get_schema("ibug68")
PHOTOS = [Photo("in/a.jpg", "a.jpg"), Photo("in/b.jpg", "b.jpg"), Photo("in/c.jpg", "c.jpg")]


def face(seed: int) -> Face:
    rng = np.random.default_rng(seed)
    return Face([1.25, 2, 31, 42.5], rng.uniform(0, 40, (68, 2)), rng.uniform(size=68), SCHEMA)


def records() -> list[Record]:
    faces = [[face(0), face(1)], [], [face(2)]]
    return [Record(p.path, 160, 120, "tiny", SCHEMA, found) for p, found in zip(PHOTOS, faces, strict=True)]


def write(out: Path, format_name: str, rows: Iterable[Record]) -> None:
    with open_output(out, format_name, SCHEMA, PHOTOS) as writer:
        for record in rows:
            writer.add(record)
