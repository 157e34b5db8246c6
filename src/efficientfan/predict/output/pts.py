"""A folder of `.pts` files, as 300-W has them: text, coordinates counted from 1."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from efficientfan.files import write_text
from efficientfan.predict.output.record import Record
from efficientfan.structures import Face

__all__ = ["PtsWriter"]


class PtsWriter:
    """The largest face of photo `a.jpg` goes to `a.pts`, further ones to `a_face2.pts`, `a_face3.pts`, ...

    A photo without faces gets no file. The format holds points only: no box, score, model or schema.

    Args:
        targets: photo's path -> path of its first `.pts` file.
    """

    def __init__(self, targets: Mapping[str, Path]) -> None:
        self._targets = targets

    def add(self, record: Record) -> None:
        """Write one file a face."""
        first = self._targets[record.image]
        for number, face in enumerate(record.faces, start=1):
            write_text(first if number == 1 else first.with_stem(f"{first.stem}_face{number}"), _as_pts(face))

    def finish(self) -> None:
        """Nothing follows."""


def _as_pts(face: Face) -> str:
    rows = "".join(f"{x:.3f} {y:.3f}\n" for x, y in face.points.astype(float) + 1.0)
    return f"version: 1\nn_points: {len(face.points)}\n{{\n{rows}}}\n"
