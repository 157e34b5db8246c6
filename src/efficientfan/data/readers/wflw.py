"""WFLW (Wu et al., Look at Boundary, CVPR 2018): 98 points, a face box and six attributes a line.

```
ROOT/WFLW_images/0--Parade/....jpg
ROOT/WFLW_annotations/list_98pt_rect_attr_train_test/list_98pt_rect_attr_{train,test}.txt
```
A line holds 196 coordinates (x, y, ...), the box x_min y_min x_max y_max, then pose, expression,
illumination, make-up, occlusion and blur (0 or 1), then the photo's name below WFLW_images. A photo may stand
on many lines.

Pixel convention: the release does not state one, and PIPNet and mmpose use the numbers as they stand; so
they are taken as 0-based. All points are labeled; single points carry no visibility.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from efficientfan.data.readers.layout import require_file, require_folder
from efficientfan.errors import InputError
from efficientfan.formats.text import numbers, read_lines, unique_name
from efficientfan.schema import LandmarkSchema
from efficientfan.structures import VISIBLE, Annotation

__all__ = ["ATTRIBUTES", "read_wflw"]

ATTRIBUTES = ("pose", "expression", "illumination", "makeup", "occlusion", "blur")
"""In the order of the file; the test set's six subsets are the faces where one of them is set."""

_HINT = "ROOT of WFLW holds WFLW_images and WFLW_annotations"


def read_wflw(root: Path, split: str, schema: LandmarkSchema) -> list[Annotation]:
    """Faces of WFLW "train" or "test" in the list's order, with boxes and attributes.

    Raises:
        InputError: the list or an image is missing, or a line is damaged; with file and line.
    """
    name = f"list_98pt_rect_attr_{split}.txt"
    folder = "WFLW_annotations/list_98pt_rect_attr_train_test"
    table = require_file(root, (f"{folder}/{name}", name), _HINT)
    images = require_folder(root, "WFLW_images", _HINT)
    count = 2 * schema.n_landmarks
    found: list[Annotation] = []
    seen: set[str] = set()
    for line, text in enumerate(read_lines(table), start=1):
        if not text:
            continue
        tokens = text.split(maxsplit=count + 10)
        if len(tokens) != count + 11:
            raise InputError(
                f"{table}: line {line}: expected {count} coordinates, a box, 6 attributes, a name"
            )
        values = np.array(numbers(table, line, tokens[: count + 4], expected=count + 4))
        flags, image = tokens[count + 4 : -1], tokens[-1]
        if not set(flags) <= {"0", "1"}:
            raise InputError(f"{table}: line {line}: attributes are 0 or 1, not {' '.join(flags)[:40]}")
        box = values[count:]
        if box[2] <= box[0] or box[3] <= box[1]:
            raise InputError(f"{table}: line {line}: box {box.tolist()} has no positive width and height")
        if "\0" in image or not (images / image).is_file():
            raise InputError(f"{table}: line {line}: annotation without image: no {images / image}")
        found.append(
            Annotation(
                images / image,
                values[:count].reshape(-1, 2),
                np.full(schema.n_landmarks, VISIBLE),
                box=box,
                attributes={key: flag == "1" for key, flag in zip(ATTRIBUTES, flags, strict=True)},
                name=unique_name(image, seen),
            )
        )
    if not found:
        raise InputError(f"{table}: holds no annotations")
    return found
