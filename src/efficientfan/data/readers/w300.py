"""300-W (Sagonas et al., ICCVW 2013 and IMAVIS 2016): iBUG-68 points, an image and a `.pts` side by side.

```
ROOT/afw   ROOT/helen/{trainset,testset}   ROOT/lfpw/{trainset,testset}   ROOT/ibug
ROOT/300W/{01_Indoor,02_Outdoor}           (the private test set; also directly under ROOT)
```

Pixel convention: 1-based on disk, 0-based here (see `pts`). No boxes, no visibility: all points are visible.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from efficientfan.data.readers.layout import pair_by_stem, require_folder
from efficientfan.formats.pts import read_pts
from efficientfan.schema import LandmarkSchema
from efficientfan.structures import VISIBLE, Annotation

__all__ = ["FOLDERS", "read_300w", "read_pts_folders"]

_COMMON = ("helen/testset", "lfpw/testset")
FOLDERS: dict[str, tuple[str, ...]] = {
    "train": ("afw", "helen/trainset", "lfpw/trainset"),
    "common": _COMMON,
    "challenging": ("ibug",),
    "full": (*_COMMON, "ibug"),
    "private": ("300W/01_Indoor", "300W/02_Outdoor"),
}
"""Split -> its folders."""

_SUBSETS = {
    **dict.fromkeys(_COMMON, "common"),
    "ibug": "challenging",
    **dict.fromkeys(("300W/01_Indoor", "01_Indoor"), "indoor"),
    **dict.fromkeys(("300W/02_Outdoor", "02_Outdoor"), "outdoor"),
}


def read_300w(root: Path, split: str, schema: LandmarkSchema) -> list[Annotation]:
    """Faces of a 300-W split, folder by folder, in order of file name; attributes `folder` and `subset`.

    Raises:
        InputError: a folder is missing, an image lacks its `.pts` or the reverse, or a `.pts` is damaged.
    """
    folders = FOLDERS[split]
    if split == "private" and not (root / "300W").is_dir() and (root / "01_Indoor").is_dir():
        folders = ("01_Indoor", "02_Outdoor")
    hint = f"split '{split}' of 300-W needs {', '.join(folders)} under ROOT"
    found: list[Annotation] = []
    for folder in folders:
        found += read_pts_folders(root, (folder,), schema, hint=hint, subset=_SUBSETS.get(folder, "train"))
    return found


def read_pts_folders(
    root: Path, folders: tuple[str, ...], schema: LandmarkSchema, *, hint: str, **attributes: str
) -> list[Annotation]:
    """Faces of folders in which each image has its `.pts` beside it; the folder is kept as an attribute.

    Args:
        root: what names are relative to.
        folders: below `root`, with forward slashes.
        schema: gives the number of points.
        hint: what to say where a folder is missing.
        attributes: further attributes for every face.

    Raises:
        InputError: as `read_300w`.
    """
    found = []
    for name in folders:
        folder = require_folder(root, name, hint)
        for image, label in pair_by_stem(folder, folder, ".pts"):
            found.append(
                Annotation(
                    image,
                    read_pts(label, schema.n_landmarks),
                    np.full(schema.n_landmarks, VISIBLE),
                    attributes={"folder": name, **attributes},
                    name=image.relative_to(root).as_posix(),
                )
            )
    return found
