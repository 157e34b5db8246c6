"""Annotations into the plain formats: COCO keypoints JSON, a CSV table, and photos with `.pts` beside them.

| | points | visibility | unlabelled points | box | attributes | name | photos |
|---|---|---|---|---|---|---|---|
| coco | exact | yes | yes | yes, to rounding | yes | yes | named by relative path |
| csv | exact | yes | yes | yes | yes | yes | named by relative path |
| pts | to 1e-6 pixel | no | refused | no | no | as the file name | copied |

`losses` says what a format drops from given faces; nothing is dropped in silence.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from efficientfan.errors import InputError
from efficientfan.files import atomic_path, write_json, write_text
from efficientfan.formats.csv_tables import BOX_COLUMNS
from efficientfan.formats.pts import write_pts
from efficientfan.imaging import IMAGE_SUFFIXES
from efficientfan.schema import LandmarkSchema
from efficientfan.structures import OCCLUDED, UNLABELLED, Annotation

__all__ = ["WRITERS", "convert", "losses", "write_coco", "write_csv", "write_pts_folder"]


def convert(faces: Sequence[Annotation], schema: LandmarkSchema, to: str, out: str | Path) -> list[str]:
    """Write `faces` in the format `to` at `out`; returns what the format could not hold, one sentence each.

    Raises:
        InputError: an unknown format, or faces, photos or a place that do not allow it; no file is then left
            half written, though a .pts folder may lack some.
    """
    if to not in WRITERS:
        raise InputError(f"cannot convert to {to!r}; formats are {', '.join(WRITERS)}")
    WRITERS[to](faces, schema, Path(out))
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


def write_coco(faces: Sequence[Annotation], schema: LandmarkSchema, out: Path) -> None:
    """Write COCO keypoints JSON; photos are named relative to `out`'s folder, and opened for their size.

    Raises:
        InputError: another suffix than .json, an unreadable photo, or a place that cannot be written to.
    """
    _check(faces, schema, out, ".json")
    images: dict[Path, dict[str, Any]] = {}
    rows = []
    for number, face in enumerate(faces, start=1):
        if face.image not in images:
            width, height = _size(face.image)
            path = _relative(face.image, out.parent)
            images[face.image] = {"id": len(images) + 1, "file_name": path, "width": width, "height": height}
        labelled = face.visibility != UNLABELLED
        triples = np.column_stack([np.where(labelled[:, None], face.points, 0.0), face.visibility])
        row = {
            "id": number,
            "image_id": images[face.image]["id"],
            "category_id": 1,
            "name": face.name,
            "iscrowd": 0,
            "num_keypoints": int(labelled.sum()),
            "keypoints": [int(v) if i % 3 == 2 else v for i, v in enumerate(triples.reshape(-1).tolist())],
            "attributes": dict(face.attributes),
        }
        if face.box is not None:
            x0, y0, x1, y1 = face.box.tolist()
            row |= {"bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0)}
        rows.append(row)
    category = {
        "id": 1,
        "name": "face",
        "supercategory": "person",
        "keypoints": list(schema.landmarks),
        "skeleton": [[a + 1, b + 1] for a, b in schema.edges],  # COCO counts keypoints from 1
    }
    info = {"description": f"landmarks: {schema.name}; pixels 0-based, centres at integers"}
    table = {"info": info, "images": list(images.values()), "annotations": rows, "categories": [category]}
    write_json(out, table)


def write_csv(faces: Sequence[Annotation], schema: LandmarkSchema, out: Path) -> None:
    """Write a CSV table (columns: `formats.csv_tables`); photos are named relative to `out`'s folder.

    Raises:
        InputError: another suffix than .csv, or a place that cannot be written to.
    """
    _check(faces, schema, out, ".csv")
    keys = sorted({key for face in faces for key in face.attributes})
    boxes = BOX_COLUMNS if any(face.box is not None for face in faces) else ()
    points = [f"{letter}{index}" for index in range(schema.n_landmarks) for letter in "xyv"]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["image", "name", *boxes, *points, *(f"attr.{key}" for key in keys)])
    for face in faces:
        row = [_relative(face.image, out.parent), face.name]
        if boxes:
            row += [""] * 4 if face.box is None else [repr(value) for value in face.box.tolist()]
        for (x, y), flag in zip(face.points.tolist(), face.visibility.tolist(), strict=True):
            row += ["", "", "0"] if flag == UNLABELLED else [repr(x), repr(y), str(flag)]
        row += [json.dumps(face.attributes[key]) if key in face.attributes else "" for key in keys]
        writer.writerow(row)
    write_text(out, stream.getvalue())


def write_pts_folder(faces: Sequence[Annotation], schema: LandmarkSchema, out: Path) -> None:
    """Copy each photo into the folder `out`, under the face's name, and write its `.pts` beside it.

    A photo of several faces is copied once for each: the format has one face a photo.

    Raises:
        InputError: a face with unlabelled points, two faces of one name, or `out` cannot be written to.
    """
    _check(faces, schema, out, "")
    places: dict[str, Annotation] = {}
    for face in faces:
        if (face.visibility == UNLABELLED).any():
            raise InputError(f"{face.name}: has unlabelled points, and .pts holds no gaps; use coco or csv")
        place = _safe(face.name)
        if place in places:
            raise InputError(f"{face.name}: shares the file name {place} with {places[place].name}")
        places[place] = face
    for place, face in places.items():
        with atomic_path(out / f"{place}{face.image.suffix.lower()}") as temporary:
            try:
                shutil.copyfile(face.image, temporary)
            except OSError as error:
                raise InputError(f"{face.image}: cannot be copied ({error.strerror})") from error
        write_pts(out / f"{place}.pts", face.points)


WRITERS: dict[str, Callable[[Sequence[Annotation], LandmarkSchema, Path], None]] = {
    "coco": write_coco,
    "csv": write_csv,
    "pts": write_pts_folder,
}
"""Format -> what writes it."""


def _check(faces: Sequence[Annotation], schema: LandmarkSchema, out: Path, suffix: str) -> None:
    if not faces:
        raise InputError("there are no faces to write")
    for face in faces:
        if len(face.points) != schema.n_landmarks:
            raise InputError(
                f"{face.name}: has {len(face.points)} points, schema '{schema.name}' {schema.n_landmarks}"
            )
    if suffix and out.suffix.lower() != suffix:
        raise InputError(f"{out}: this format is one file; give a name that ends in {suffix}")
    if not suffix and (out.is_file() or (out.is_dir() and any(out.iterdir()))):
        raise InputError(f"{out}: give a folder that is new or empty")


def _size(image: Path) -> tuple[int, int]:
    """(width, height) from the header alone."""
    try:
        with Image.open(image) as opened:
            width, height = opened.size
            turned = opened.getexif().get(0x0112, 1) >= 5  # EXIF orientation: 5 to 8 swap the sides
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"{image}: cannot be read as an image") from error
    return (height, width) if turned else (width, height)


def _relative(image: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(image.resolve(), folder.resolve())).as_posix()
    except ValueError as error:
        raise InputError(
            f"{folder}: lies on another drive than {image}; choose a place on the same"
        ) from error


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
