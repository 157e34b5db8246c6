"""Annotations into the plain formats: COCO keypoints JSON, a CSV table, and photos with `.pts` beside them.

| | points | visibility | unlabeled points | box | attributes | name | photos |
|---|---|---|---|---|---|---|---|
| coco | exact | yes | yes | yes, to rounding | yes | yes | named by relative path |
| csv | exact | yes | yes | yes | yes | yes | named by relative path |
| pts | to 1e-6 pixel | no | refused | no | no | as the file name | copied |

`losses` says what a format drops from given faces; nothing is dropped in silence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from efficientfan.errors import InputError
from efficientfan.files import atomic_path
from efficientfan.formats.coco import write_coco
from efficientfan.formats.csv_tables import write_csv
from efficientfan.formats.pts import write_pts
from efficientfan.imaging import IMAGE_SUFFIXES
from efficientfan.packed import is_packed, photo_bytes
from efficientfan.schema import LandmarkSchema
from efficientfan.structures import OCCLUDED, UNLABELED, Annotation

__all__ = ["WRITERS", "convert", "losses", "write_pts_folder"]


def convert(faces: Sequence[Annotation], schema: LandmarkSchema, to: str, out: str | Path) -> list[str]:
    """Write `faces` in the format `to` at `out`; returns what the format could not hold, one sentence each.

    Raises:
        InputError: an unknown format, or faces, photos or a place that do not allow it; no file is then left
            half written, though a .pts folder may lack some.
    """
    if to not in WRITERS:
        raise InputError(f"cannot convert to {to!r}; formats are {', '.join(WRITERS)}")
    suffix, write = WRITERS[to]
    _check(faces, schema, Path(out), suffix)
    write(faces, schema, Path(out))
    return losses(faces, to)


def losses(faces: Sequence[Annotation], to: str) -> list[str]:
    """What the format `to` does not hold of these faces, one sentence each; empty where nothing is lost."""
    if to != "pts":
        return []
    found = []
    covered = sum(bool((face.visibility == OCCLUDED).any()) for face in faces)
    boxes = sum(face.box is not None for face in faces)
    keys = sorted({key for face in faces for key in face.attributes})
    if covered:
        found.append(f".pts holds no visibility: {covered} faces with covered points lose the mark")
    if boxes:
        found.append(f".pts holds no boxes: {boxes} are lost")
    if keys:
        found.append(f".pts holds no attributes: {', '.join(keys)} are lost")
    return found


def write_pts_folder(faces: Sequence[Annotation], schema: LandmarkSchema, out: Path) -> None:
    """Copy each photo into the folder `out`, under the face's name, and write its `.pts` beside it.

    A photo of several faces is copied once for each: the format has one face a photo.

    Raises:
        InputError: a face with unlabeled points, two faces of one name, or `out` cannot be written to.
    """
    places: dict[str, Annotation] = {}
    for face in faces:
        if (face.visibility == UNLABELED).any():
            raise InputError(f"{face.name}: has unlabeled points, and .pts holds no gaps; use coco or csv")
        place = _safe(face.name)
        if place in places:
            raise InputError(f"{face.name}: shares the file name {place} with {places[place].name}")
        places[place] = face
    for place, face in places.items():
        with atomic_path(out / f"{place}{face.image.suffix.lower()}") as temporary:
            try:
                temporary.write_bytes(photo_bytes(face.image))
            except OSError as error:
                raise InputError(f"{face.image}: cannot be copied ({error.strerror})") from error
        write_pts(out / f"{place}.pts", face.points)


WRITERS: dict[str, tuple[str, Callable[[Sequence[Annotation], LandmarkSchema, Path], None]]] = {
    "coco": (".json", write_coco),
    "csv": (".csv", write_csv),
    "pts": ("", write_pts_folder),
}
"""Format -> suffix of its file ("" for a folder), and what writes it."""


def _check(faces: Sequence[Annotation], schema: LandmarkSchema, out: Path, suffix: str) -> None:
    if not faces:
        raise InputError("there are no faces to write")
    for face in faces:
        if len(face.points) != schema.n_landmarks:
            raise InputError(
                f"{face.name}: has {len(face.points)} points, schema '{schema.name}' {schema.n_landmarks}"
            )
    if suffix and is_packed(faces[0].image):
        raise InputError(
            f"{faces[0].image}: is packed, and this format names photos by files; convert to pts"
        )
    if suffix and out.suffix.lower() != suffix:
        raise InputError(f"{out}: this format is one file; give a name that ends in {suffix}")
    if not suffix and (out.is_file() or (out.is_dir() and any(out.iterdir()))):
        raise InputError(f"{out}: give a folder that is new or empty")


def _safe(name: str) -> str:
    """A face's name as a relative path without image suffix that stays in its folder."""
    path = PurePosixPath(re.sub(r'[\x00-\x1f:*?"<>|]', "_", name.replace("\\", "/")))
    parts = [part.strip(". ") or "_" for part in path.parts if part != "/"]
    joined = "/".join(parts) or "_"
    stem, _, suffix = joined.rpartition(".")
    if f".{suffix.lower()}" in IMAGE_SUFFIXES:
        return stem
    before, hash_sign, count = joined.rpartition("#")  # "photo.jpg#2", a photo's second face
    stem, _, suffix = before.rpartition(".")
    if hash_sign and f".{suffix.lower()}" in IMAGE_SUFFIXES:
        return f"{stem}_{count}"
    return joined
