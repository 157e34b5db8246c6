"""CSV: one row a face; a photo without faces has one row with its name, size and model only."""

from __future__ import annotations

import csv
from typing import TextIO

from efficientfan.predict.output.record import Record
from efficientfan.schema import LandmarkSchema
from efficientfan.structures import Face

__all__ = ["CsvWriter", "columns"]

_PHOTO = ["image", "width", "height", "model", "schema"]
_FACE = ["face", "box_x0", "box_y0", "box_x1", "box_y1", "score"]


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


def _values(face: Face) -> list[float]:
    table = face.to_dict()
    landmarks = zip(table["points"], table["scores"], strict=True)
    return [*table["box"], table["score"], *(value for (x, y), score in landmarks for value in (x, y, score))]
