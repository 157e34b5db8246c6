"""COCO keypoints JSON: `images`, `annotations` with `keypoints` [x, y, v, ...] and `score`, `categories`."""

from __future__ import annotations

import json
from typing import Any, TextIO

from efficientfan.predict.output.record import Record
from efficientfan.schema import LandmarkSchema
from efficientfan.structures import OCCLUDED, VISIBLE

__all__ = ["CocoWriter"]


class CocoWriter:
    """Collects, since COCO keeps photos and faces in two lists; for very many photos take JSON lines.

    v is 1 for landmarks that the model calls covered or turned away, and 2 for all others; the landmarks' scores
    stand beside them, as `keypoint_scores`.
    """

    def __init__(self, stream: TextIO, schema: LandmarkSchema) -> None:
        self._stream = stream
        self._schema = schema
        self._model = ""
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def add(self, record: Record) -> None:
        """Take one photo and its faces."""
        image_id = len(self._images) + 1
        self._model = record.model
        self._images.append(
            {"id": image_id, "file_name": record.image, "width": record.width, "height": record.height}
        )
        for face in record.faces:
            table = face.to_dict()
            x0, y0, x1, y1 = table["box"]
            width, height = round(x1 - x0, 3), round(y1 - y0, 3)
            flags = [OCCLUDED if unseen else VISIBLE for unseen in face.unseen]
            self._annotations.append(
                {
                    "id": len(self._annotations) + 1,
                    "image_id": image_id,
                    "category_id": 1,
                    "iscrowd": 0,
                    "bbox": [x0, y0, width, height],
                    "area": round(width * height, 1),
                    "num_keypoints": len(table["points"]),
                    "keypoints": [
                        value
                        for (x, y), flag in zip(table["points"], flags, strict=True)
                        for value in (x, y, flag)
                    ],
                    "score": table["score"],
                    "keypoint_scores": table["scores"],
                }
            )

    def finish(self) -> None:
        """Write the file."""
        category = {
            "id": 1,
            "name": "face",
            "supercategory": "person",
            "keypoints": list(self._schema.landmarks),
            "skeleton": [[a + 1, b + 1] for a, b in self._schema.edges],  # COCO counts keypoints from 1
        }
        note = f"landmarks: {self._schema.name}; model: {self._model}; pixels 0-based, centres at integers"
        table = {
            "info": {"description": note},
            "images": self._images,
            "annotations": self._annotations,
            "categories": [category],
        }
        json.dump(table, self._stream, allow_nan=False)
        self._stream.write("\n")
