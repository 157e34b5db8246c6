"""Photos with drawn faces and their boxes, in COCO's layout."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from drawn_faces import drawn_face

from efficientfan.geometry import box_of_points
from efficientfan.imaging import write_image


def write_drawn_photos(root: Path, count: int, split: str = "train", side: int = 160) -> Path:
    """Photos of side x side pixels, each of a random color with one drawn face of 48 to 112 pixels somewhere."""
    rng = np.random.default_rng(8)
    images, annotations = [], []
    for index in range(count):
        face_side = int(rng.integers(48, 112))
        face, points = drawn_face(rng, face_side)
        photo = np.empty((side, side, 3), np.uint8)
        photo[:] = face[0, 0]
        x, y = (int(v) for v in rng.integers(0, side - face_side, 2))
        photo[y : y + face_side, x : x + face_side] = face
        x0, y0, x1, y1 = box_of_points(points + np.array([x, y])).tolist()
        write_image(root / split / f"{index}.png", photo)
        images.append({"id": index, "file_name": f"{index}.png", "width": side, "height": side})
        annotations.append({"id": index, "image_id": index, "bbox": [x0, y0, x1 - x0, y1 - y0], "iscrowd": 0})
    (root / f"{split}.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    return root
