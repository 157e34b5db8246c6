"""LaPa (Liu et al., A New Dataset and Boundary-Attention Semantic Segmentation, AAAI 2020): 106 points.

```
ROOT/{train,val,test}/images/NAME.jpg   ROOT/{train,val,test}/landmarks/NAME.txt
```
A text file holds the number of points, 106, then a line of x y for each. The folder `labels` is not read.

Pixel convention: not stated; whole numbers, taken as 0-based, as mmpose does. No boxes, no visibility.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from efficientfan.data.readers.layout import pair_by_stem, require_folder
from efficientfan.errors import InputError
from efficientfan.formats.text import numbers, read_lines
from efficientfan.schema import LandmarkSchema
from efficientfan.structures import VISIBLE, Annotation

__all__ = ["read_lapa"]

_HINT = "ROOT of LaPa holds train, val and test, each with images and landmarks"


def read_lapa(root: Path, split: str, schema: LandmarkSchema) -> list[Annotation]:
    """Faces of LaPa "train", "val" or "test" in order of file name.

    Raises:
        InputError: a folder is missing, an image lacks its text or the reverse, or a text is damaged.
    """
    images = require_folder(root, f"{split}/images", _HINT)
    labels = require_folder(root, f"{split}/landmarks", _HINT)
    found = []
    for image, label in pair_by_stem(images, labels, ".txt"):
        lines = [(number, text) for number, text in enumerate(read_lines(label), start=1) if text]
        k = schema.n_landmarks
        if not lines or lines[0][1] != str(k):
            raise InputError(f"{label}: line 1: expected {k}, the number of points")
        if len(lines) != k + 1:
            raise InputError(
                f"{label}: line {lines[-1][0]}: expected {k} points, the file holds {len(lines) - 1}"
            )
        points = [numbers(label, number, text.split(), expected=2) for number, text in lines[1:]]
        name = image.relative_to(root).as_posix()
        found.append(Annotation(image, np.array(points), np.full(k, VISIBLE), name=name))
    return found
