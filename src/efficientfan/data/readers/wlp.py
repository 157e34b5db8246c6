"""300W-LP and AFLW2000-3D (Zhu et al., Face Alignment Across Large Poses, CVPR 2016): 68 points, MATLAB v5.

```
ROOT/{AFW,HELEN,IBUG,LFPW}/NAME.jpg
ROOT/landmarks/{AFW,HELEN,IBUG,LFPW}/NAME_pts.mat     300W-LP: pts_2d and pts_3d, 68 x 2
ROOT/image00002.jpg  ROOT/image00002.mat              AFLW2000-3D: pt3d_68, 3 x 68
```
300W-LP's points come from the folder `landmarks`: the `pt2d` in the .mat beside a photo is that of the photo
*before* it was turned to the new pose, so it does not fit the photo. The mirrored `*_Flip` folders are left
out: augmentation mirrors. AFLW2000-3D's `pt2d` holds 21 AFLW points and is not read.

Pixel convention: MATLAB's, 1-based (the authors' sample code plots over `imshow` unchanged); 0-based here.
`pts_3d` and `pt3d_68` include points that the face itself hides, at their projected place; no visibility.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from efficientfan.data.readers.layout import pair_by_stem, require_folder
from efficientfan.data.readers.matlab import check_points, load_mat5
from efficientfan.errors import InputError
from efficientfan.imaging import IMAGE_SUFFIXES
from efficientfan.schema import LandmarkSchema
from efficientfan.structures import VISIBLE, Annotation

__all__ = ["read_300wlp", "read_aflw2000"]

_FOLDERS = ("AFW", "HELEN", "IBUG", "LFPW")
_HINT = "ROOT of 300W-LP holds AFW, HELEN, IBUG, LFPW and landmarks"


def read_300wlp(root: Path, split: str, schema: LandmarkSchema) -> list[Annotation]:
    """Faces of 300W-LP, folder by folder: "train" with the 2D points, "train3d" with the projected 3D ones.

    Raises:
        InputError: a folder is missing, a photo lacks its landmarks or the reverse, or a file is damaged.
    """
    key = "pts_3d" if split == "train3d" else "pts_2d"
    found = []
    for name in _FOLDERS:
        photos = require_folder(root, name, _HINT)
        labels = require_folder(root, f"landmarks/{name}", f"{_HINT}; the .mat beside the photos does not do")
        images = {p.stem: p for p in sorted(photos.iterdir()) if p.suffix.lower() in IMAGE_SUFFIXES}
        files = {p.name.removesuffix("_pts.mat"): p for p in sorted(labels.glob("*_pts.mat"))}
        if images.keys() != files.keys():
            odd = min(images.keys() ^ files.keys())
            if odd in images:
                raise InputError(f"{images[odd]}: image without annotation landmarks/{name}/{odd}_pts.mat")
            raise InputError(f"{files[odd]}: annotation without image {name}/{odd}.jpg")
        for stem, image in images.items():
            (points,) = load_mat5(files[stem], key)
            found.append(
                Annotation(
                    image,
                    check_points(str(files[stem]), points, schema.n_landmarks) - 1.0,
                    np.full(schema.n_landmarks, VISIBLE),
                    attributes={"folder": name},
                    name=f"{name}/{image.name}",
                )
            )
    if not found:
        raise InputError(f"{root}: holds no photos; {_HINT}")
    return found


def read_aflw2000(root: Path, split: str, schema: LandmarkSchema) -> list[Annotation]:
    """Faces of AFLW2000-3D in order of file name; `split` is "test".

    Raises:
        InputError: a photo lacks its .mat or the reverse, or a file is damaged.
    """
    if not root.is_dir():
        raise InputError(
            f"{root}: is not a folder; ROOT of AFLW2000-3D holds image00002.jpg, image00002.mat, ..."
        )
    k = schema.n_landmarks
    found = []
    for image, label in pair_by_stem(root, root, ".mat"):
        (points,) = load_mat5(label, "pt3d_68")
        if points.ndim != 2 or points.shape[0] != 3:
            raise InputError(f"{label}: pt3d_68 must be 3 x {k}, found {points.shape}")
        found.append(Annotation(image, check_points(str(label), points[:2].T, k) - 1.0, np.full(k, VISIBLE)))
    return found
