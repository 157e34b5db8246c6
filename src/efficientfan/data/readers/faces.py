"""Faces without landmarks: boxes of a COCO file, for what a teacher knows.

```
ROOT/SPLIT.json  ROOT/SPLIT/NAME.jpg       boxes as `efficientfan.formats.coco_boxes.read_coco_boxes` takes them
```
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from efficientfan.errors import InputError
from efficientfan.formats.coco_boxes import read_coco_boxes
from efficientfan.schema import LandmarkSchema
from efficientfan.structures import Annotation, BoxTrust

__all__ = ["read_faces"]


def read_faces(root: Path, split: str, schema: LandmarkSchema) -> list[Annotation]:
    """One face per box that is not to be ignored, with all landmarks unlabeled, in the file's order.

    Raises:
        InputError: no face at all, or as `read_coco_boxes`.
    """
    nothing = np.full((schema.n_landmarks, 2), np.nan)
    faces = [
        Annotation(
            scene.image,
            nothing,
            np.zeros(len(nothing)),
            box,
            scene.attributes,
            scene.name if len(scene.boxes) == 1 else f"{scene.name}#{index}",
        )
        for scene in read_coco_boxes(root, split)
        for index, (box, trust) in enumerate(zip(scene.boxes, scene.trust, strict=True))
        if trust != BoxTrust.IGNORED
    ]
    if not faces:
        raise InputError(f"{root}: split {split!r} holds no face")
    return faces
