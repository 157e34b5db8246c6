"""Faces whose boxes are known: 300-W scenes, and AFLW crops in every pose laid into a frame."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from efficientfan.imaging import read_rgb

Array = NDArray[Any]

FRAME, FACE_CROP = 900, 240
"""Side of the grey frame, and of the AFLW crop in it, in pixels."""


@dataclass(frozen=True)
class Scene:
    """A photo, the boxes to be found, and those that are neither right nor wrong. Boxes are (N, 4) xyxy."""

    image: Array
    boxes: Array
    ignored: Array
    group: str


def scenes(root: Path, split: str, limit: int | None = None) -> Iterator[Scene]:
    """300-W photos of `scenes/SPLIT.json`: human boxes count, pseudo boxes and `iscrowd` are ignored."""
    table = json.loads((root / "scenes" / f"{split}.json").read_text())
    for image in _some(table["images"], limit):
        rows = [row for row in table["annotations"] if row["image_id"] == image["id"]]
        counts = [row.get("source") == "human" and not row["iscrowd"] for row in rows]
        boxes = np.reshape([_xyxy(row["bbox"]) for row in rows], (-1, 4))
        mask = np.array(counts, dtype=bool)
        photo = read_rgb(root / "scenes" / split / image["file_name"])
        yield Scene(photo, boxes[mask], boxes[~mask], split)


def framed_aflw(root: Path, limit: int | None = None) -> Iterator[Scene]:
    """Each `aflw68` crop, enlarged to 240 px, at a seeded place of a 900 px frame; the group is its pose."""
    table = json.loads((root / "aflw68" / "train.json").read_text())
    names = {image["id"]: image["file_name"] for image in table["images"]}
    rng = np.random.default_rng(0)
    for row in _some(table["annotations"], limit):
        crop = read_rgb(root / "aflw68" / "images" / names[row["image_id"]])
        factor = FACE_CROP / crop.shape[0]
        x, y = rng.integers(0, FRAME - FACE_CROP, 2)
        frame = np.full((FRAME, FRAME, 3), 128, np.uint8)
        frame[y : y + FACE_CROP, x : x + FACE_CROP] = cv2.resize(
            crop, (FACE_CROP, FACE_CROP), interpolation=cv2.INTER_CUBIC
        )
        box = np.array(_xyxy(row["bbox"])) * factor + [x, y, x, y]
        yield Scene(frame, box[None], np.zeros((0, 4)), row["pose"])


def _some(rows: list[Any], limit: int | None) -> list[Any]:
    order = np.random.default_rng(0).permutation(len(rows))[:limit]
    return [rows[index] for index in order]


def _xyxy(bbox: list[float]) -> list[float]:
    x, y, width, height = bbox
    return [x, y, x + width, y + height]
