"""Any folder of photos with a `.pts` of the same name beside each, at any depth; also Menpo's folders.

```
ROOT/**/NAME.jpg  ROOT/**/NAME.pts
```
Menpo (Zafeiriou et al., CVPRW 2017): ROOT/semifrontal (68 points) and ROOT/profile (39 points, so a schema of
your own). Pixel convention: 1-based on disk (see `pts`), 0-based here.
"""

from __future__ import annotations

from pathlib import Path

from efficientfan.data.readers.w300 import read_pts_folders
from efficientfan.errors import InputError
from efficientfan.imaging import IMAGE_SUFFIXES
from efficientfan.schema import LandmarkSchema
from efficientfan.structures import Annotation

__all__ = ["read_menpo", "read_pts_tree"]


def read_pts_tree(root: Path, split: str, schema: LandmarkSchema) -> list[Annotation]:
    """Faces of all folders at and below `root`, or below `root/split` where `split` is not "all".

    Raises:
        InputError: no photos, a photo lacks its `.pts` or the reverse, or a `.pts` is damaged.
    """
    start = root if split == "all" else root / split
    if not start.is_dir():
        raise InputError(f"{start}: is not a folder")
    holders = {p.parent for p in start.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES | {".pts"}}
    folders = tuple(sorted(path.relative_to(root).as_posix() for path in holders))
    if not folders:
        raise InputError(f"{start}: holds no photos with .pts beside them")
    return read_pts_folders(root, folders, schema, hint="")


def read_menpo(root: Path, split: str, schema: LandmarkSchema) -> list[Annotation]:
    """Faces of Menpo's "semifrontal" or "profile" folder.

    Raises:
        InputError: as `read_300w`.
    """
    return read_pts_folders(root, (split,), schema, hint="ROOT of Menpo holds semifrontal and profile")
