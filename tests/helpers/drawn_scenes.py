"""Detection data from drawn faces: an `aflw68`, and a folder of scenes with boxes of every trust."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from drawn_faces import drawn_face

from efficientfan.data.readers.aflw68 import is_held_out
from efficientfan.imaging import write_image

POSES = ("frontal", "lefthalf", "right")


def make_aflw68(root: Path, count: int = 24) -> Path:
    """Faces of 120 pixels, poses in turn, in the official layout."""
    rng = np.random.default_rng(5)
    images, annotations = [], []
    for number in range(count):
        picture, points = drawn_face(rng, 120)
        name = f"image{number:05}.png"
        write_image(root / "images" / name, picture)
        low, high = points.min(axis=0), points.max(axis=0)
        images.append({"id": number, "file_name": name, "width": 120, "height": 120})
        annotations.append(
            {
                "id": number,
                "image_id": number,
                "category_id": 1,
                "iscrowd": 0,
                "bbox": [*low.tolist(), *(high - low).tolist()],
                "keypoints": [value for x, y in points.tolist() for value in (x, y, 2)],
                "pose": POSES[number % len(POSES)],
            }
        )
    (root / "train.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    assert {is_held_out(image["file_name"]) for image in images} == {True, False}
    return root


SCENES: dict[str, list[tuple[list[int], dict[str, Any]]]] = {
    "alone": [([20, 30, 40, 50], {"source": "human"})],
    "empty": [],
    "pair": [([10, 10, 30, 30], {}), ([60, 40, 30, 30], {"source": "pseudo"})],
    "crowd": [([10 * i, 10 * i, 12, 12], {"iscrowd": int(i == 0)}) for i in range(7)],
}
"""Name -> boxes (x, y, width, height) with what else their annotation says."""

WIDTH, HEIGHT = 120, 96


def make_scenes(root: Path, split: str = "test") -> Path:
    """`SCENES` as photos of noise, 120 x 96, and their COCO JSON."""
    rng = np.random.default_rng(3)
    images, annotations = [], []
    for number, (name, boxes) in enumerate(SCENES.items()):
        write_image(root / split / f"{name}.png", rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8))
        images.append({"id": number, "file_name": f"{name}.png", "width": WIDTH, "height": HEIGHT})
        annotations += [{"image_id": number, "bbox": box, **more} for box, more in boxes]
    rows = [{"id": number, **row} for number, row in enumerate(annotations)]
    (root / f"{split}.json").write_text(json.dumps({"images": images, "annotations": rows}))
    return root
