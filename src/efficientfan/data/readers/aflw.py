"""AFLW, 19 points (Koestinger et al., ICCVW 2011; release and splits of Zhu et al., CVPR 2016).

```
ROOT/AFLWinfo_release.mat
ROOT/flickr/{0,2,3}/image00002.jpg      (also below ROOT/data/ or ROOT/images/, or without `flickr`)
```
The file (MATLAB v5) holds `nameList`, N names such as "0/image00013.jpg"; `data` N x 38 (19 x, then 19 y);
`bbox` N x 4 (x_min, x_max, y_min, y_max); `mask_new` N x 19 (1 visible); and `ra`, the order of the splits
(1-based): the first 20,000 of N = 24,386 train, the rest are the full test, and frontal are those of the
test whose 19 points are all visible (1,314).

Pixel convention: none is stated, and no source was found; the numbers are taken as 0-based, as public code
does. Points that are not visible are labeled by estimate: `OCCLUDED`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientfan.data.readers.layout import require_file
from efficientfan.data.readers.matlab import check_points, load_mat5
from efficientfan.errors import InputError
from efficientfan.formats.text import unique_name
from efficientfan.schema import LandmarkSchema
from efficientfan.structures import OCCLUDED, VISIBLE, Annotation

__all__ = ["N_TRAIN", "read_aflw"]

N_TRAIN = 20_000
_HINT = "ROOT of AFLW holds AFLWinfo_release.mat and the folders of photos"


def read_aflw(root: Path, split: str, schema: LandmarkSchema) -> list[Annotation]:
    """Faces of AFLW "train", "full" (the test) or "frontal", in the order of `ra`; attribute `frontal`.

    Raises:
        InputError: the file is missing or damaged, its arrays disagree, or a photo is missing.
    """
    path = require_file(root, ("AFLWinfo_release.mat",), _HINT)
    names, data, boxes, mask, order = load_mat5(path, "nameList", "data", "bbox", "mask_new", "ra")
    n, k = names.size, schema.n_landmarks
    shapes = (data.shape, boxes.shape, mask.shape)
    if shapes != ((n, 2 * k), (n, 4), (n, k)):
        raise InputError(
            f"{path}: {n} names need arrays of {n} x {2 * k}, {n} x 4 and {n} x {k}; found {shapes}"
        )
    if order.dtype.kind not in "fiu" or not np.array_equal(np.sort(order, axis=None), np.arange(1, n + 1)):
        raise InputError(f"{path}: 'ra' must hold each of 1 to {n} once")
    if n <= N_TRAIN:
        raise InputError(f"{path}: holds {n} faces; the first {N_TRAIN} train, so none is left to test")
    photos = _photo_folder(root)
    indices = order.reshape(-1).astype(np.int64) - 1
    chosen = indices[:N_TRAIN] if split == "train" else indices[N_TRAIN:]
    frontal = (mask == 1).all(axis=1)
    if split == "frontal":
        chosen = chosen[frontal[chosen]]
    seen: set[str] = set()
    found = []
    for index in chosen:
        where = f"{path}: face {index + 1}"
        name = _name(where, names.reshape(-1)[index])
        if not (photos / name).is_file():
            raise InputError(f"{where}: annotation without image: no {photos / name}")
        found.append(
            Annotation(
                photos / name,
                check_points(where, data[index].reshape(2, k).T, k),
                np.where(mask[index] == 1, VISIBLE, OCCLUDED),
                box=_box(where, boxes[index]),
                attributes={"frontal": bool(frontal[index])},
                name=unique_name(name, seen),
            )
        )
    return found


def _photo_folder(root: Path) -> Path:
    for name in ("flickr", "data/flickr", "images/flickr", "images", "."):
        if (root / name / "0").is_dir():
            return root / name
    raise InputError(f"{root}: has no folder 'flickr/0' with photos; {_HINT}")


def _name(where: str, cell: Any) -> str:
    """The text in a cell of `nameList`, however deep MATLAB wrapped it."""
    while isinstance(cell, np.ndarray) and cell.size == 1:
        cell = cell.reshape(-1)[0]
    if not isinstance(cell, str) or "\0" in cell or not cell.strip():
        raise InputError(f"{where}: 'nameList' must hold a file name")
    return cell.strip().lstrip("/")


def _box(where: str, box: NDArray[Any]) -> NDArray[np.float64]:
    x0, x1, y0, y1 = check_points(where, box.reshape(2, 2), 2).reshape(-1)
    if x1 <= x0 or y1 <= y0:
        raise InputError(f"{where}: box {box.tolist()} (x_min, x_max, y_min, y_max) has no positive size")
    return np.array([x0, y0, x1, y1])
