"""One photo's result, as every format tells it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from efficientfan.schema import LandmarkSchema
from efficientfan.structures import Face

__all__ = ["Record", "RecordWriter"]


@dataclass(frozen=True)
class Record:
    """What is known of one photo.

    Attributes:
        image: the photo's path as the user wrote it.
        width, height: in pixels, once turned as its EXIF says.
        model: name of the model.
        schema: what the landmarks are.
        faces: perhaps none.
    """

    image: str
    width: int
    height: int
    model: str
    schema: LandmarkSchema
    faces: list[Face]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "image": self.image,
            "width": self.width,
            "height": self.height,
            "model": self.model,
            "schema": self.schema.name,
            "faces": [face.to_dict() for face in self.faces],
        }


class RecordWriter(Protocol):
    """Takes records one after the other."""

    def add(self, record: Record) -> None:
        """Write one record."""

    def finish(self) -> None:
        """Write what comes after the last one."""
