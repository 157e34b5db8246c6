"""A folder of `.pts` files, as 300-W has them: text, coordinates counted from 1."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from efficientfan.errors import InputError
from efficientfan.files import write_text
from efficientfan.predict.output.record import Record
from efficientfan.structures import Face

__all__ = ["PtsWriter"]

_FURTHER = re.compile(r"(.+)_face(?:[2-9]|[1-9][0-9]+)", re.DOTALL)


class PtsWriter:
    """The largest face of photo `a.jpg` goes to `a.pts`, further ones to `a_face2.pts`, `a_face3.pts`, ...

    A photo without faces gets no file. The format holds points only: no box, score, model or schema.

    Args:
        targets: photo's path -> path of its first `.pts` file.

    Raises:
        InputError: one photo is called as a further face of another would be.
    """

    def __init__(self, targets: Mapping[str, Path]) -> None:
        photos = {target: photo for photo, target in targets.items()}
        for target, photo in photos.items():
            further = _FURTHER.fullmatch(target.stem)
            other = photos.get(target.with_stem(further[1])) if further else None
            if other is not None:
                raise InputError(
                    f"{target}: would be written for {photo} and for a further face of {other}; run them into "
                    "folders of their own"
                )
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
