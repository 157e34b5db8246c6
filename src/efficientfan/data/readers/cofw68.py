"""COFW-68 (Ghiasi and Fowlkes, 2015): COFW's test photos annotated anew with 68 points and occlusion.

```
ROOT/COFW_test_color.mat                                       photos, from COFW itself
ROOT/[COFW68_Data/]test_annotations/{1..507}_points.mat        Points 68 x 2, Occ 68
ROOT/[COFW68_Data/]cofw68_test_bboxes.mat                      bboxes N x 4 (x, y, width, height), optional
```

Pixel convention: MATLAB's, 1-based (the authors' `VisualizeAnnotations.m` plots over `imshow` unchanged);
0-based here. The photos are unpacked as `cofw` says.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from efficientfan.data.readers.cofw import cofw_file, unpack_cofw_images
from efficientfan.data.readers.matlab import box_from_matlab, check_points, load_mat5
from efficientfan.errors import InputError
from efficientfan.schema import LandmarkSchema
from efficientfan.structures import OCCLUDED, VISIBLE, Annotation

__all__ = ["read_cofw68"]


def read_cofw68(root: Path, split: str, schema: LandmarkSchema) -> list[Annotation]:
    """Faces of COFW-68 "test" in the order of the photos; attribute `occluded` is the covered share.

    Raises:
        InputError: photos, annotations or their number do not fit each other, or a file is damaged.
        MissingDependencyError: h5py is not installed.
    """
    color = cofw_file(root, split)
    places = (root / "COFW68_Data", root)
    base = next((place for place in places if (place / "test_annotations").is_dir()), None)
    if base is None:
        raise InputError(f"{root}: has no folder 'test_annotations' (or COFW68_Data/test_annotations)")
    images = unpack_cofw_images(color, "IsT")
    files = {path.name for path in (base / "test_annotations").glob("*_points.mat")}
    expected = {f"{index}_points.mat" for index in range(1, len(images) + 1)}
    if files != expected:
        odd = sorted(files ^ expected)[0]
        problem = "photo without annotation" if odd in expected else "annotation without photo"
        raise InputError(
            f"{base / 'test_annotations' / odd}: {problem}; {color.name} holds {len(images)} photos"
        )
    boxes = None
    if (base / "cofw68_test_bboxes.mat").is_file():
        (boxes,) = load_mat5(base / "cofw68_test_bboxes.mat", "bboxes")
        if boxes.shape != (len(images), 4):
            raise InputError(
                f"{base}/cofw68_test_bboxes.mat: expected {len(images)} x 4, found {boxes.shape}"
            )
    found = []
    for index, image in enumerate(images):
        path = base / "test_annotations" / f"{index + 1}_points.mat"
        points, covered = load_mat5(path, "Points", "Occ")
        covered = covered.reshape(-1)
        if covered.shape != (schema.n_landmarks,) or not np.isin(covered, (0, 1)).all():
            raise InputError(f"{path}: Occ must be {schema.n_landmarks} flags, 0 or 1")
        found.append(
            Annotation(
                image,
                check_points(str(path), points, schema.n_landmarks) - 1.0,
                np.where(covered == 1, OCCLUDED, VISIBLE),
                box=None if boxes is None else box_from_matlab(f"{base}: box {index + 1}", boxes[index]),
                attributes={"occluded": round(float(covered.mean()), 4)},
                name=f"{split}/{image.name}",
            )
        )
    return found
