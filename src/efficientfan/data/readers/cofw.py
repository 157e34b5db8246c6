"""COFW (Burgos-Artizzu et al., ICCV 2013): 29 points with occlusion; the photos lie inside the MATLAB file.

```
ROOT/COFW_train_color.mat   IsTr, phisTr, bboxesTr     ROOT/COFW_test_color.mat   IsT, phisT, bboxesT
```
MATLAB v7.3 (HDF5, so every array is transposed): `Is` N photos, `phis` N x 87 (29 x, 29 y, 29 occluded),
`bboxes` N x 4 (x, y, width, height). Reading unpacks the photos once, as PNG, into `COFW_train_color_images/`
beside the file, and needs that place to be writable the first time.

Pixel convention: MATLAB's, 1-based (the authors draw `phis` over `imshow` unchanged); 0-based here.
Occluded points are labeled.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientfan.data.readers.layout import require_file
from efficientfan.data.readers.matlab import box_from_matlab, check_points, open_mat73
from efficientfan.errors import InputError
from efficientfan.imaging import DEFAULT_MAX_PIXELS, write_image
from efficientfan.schema import LandmarkSchema
from efficientfan.structures import OCCLUDED, VISIBLE, Annotation

__all__ = ["cofw_file", "read_cofw", "unpack_cofw_images"]

_HINT = "ROOT of COFW holds COFW_train_color.mat and COFW_test_color.mat"


def read_cofw(root: Path, split: str, schema: LandmarkSchema) -> list[Annotation]:
    """Faces of COFW "train" or "test" in the file's order; attribute `occluded` is the covered share.

    Raises:
        InputError: the file is missing, damaged or not v7.3, or its arrays disagree.
        MissingDependencyError: h5py is not installed.
    """
    path, suffix = cofw_file(root, split), "Tr" if split == "train" else "T"
    with open_mat73(path, f"Is{suffix}", f"phis{suffix}", f"bboxes{suffix}") as file:
        stored, boxes, n = file[f"phis{suffix}"], file[f"bboxes{suffix}"], file[f"Is{suffix}"].size
        k = schema.n_landmarks
        if stored.shape != (3 * k, n) or boxes.shape != (4, n) or n == 0 or stored.dtype.kind not in "fiu":
            raise InputError(
                f"{path}: {n} photos need phis{suffix} of {n} x {3 * k} and bboxes{suffix} of {n} x 4; "
                f"found {stored.shape[::-1]} and {boxes.shape[::-1]}"
            )
        phis, boxes = np.asarray(stored), np.asarray(boxes)
    found = []
    for index, image in enumerate(unpack_cofw_images(path, f"Is{suffix}")):
        where = f"{path}: face {index + 1}"
        x, y, covered = phis[:, index].reshape(3, k)
        if not np.isin(covered, (0, 1)).all():
            raise InputError(f"{where}: occlusion flags are 0 or 1")
        found.append(
            Annotation(
                image,
                check_points(where, np.stack([x, y], axis=1), k) - 1.0,
                np.where(covered == 1, OCCLUDED, VISIBLE),
                box=box_from_matlab(where, boxes[:, index]),
                attributes={"occluded": round(float(covered.mean()), 4)},
                name=f"{split}/{image.name}",
            )
        )
    return found


def cofw_file(root: Path, split: str) -> Path:
    """The `.mat` of a split."""
    return require_file(root, (f"COFW_{split}_color.mat", f"COFW_color/COFW_{split}_color.mat"), _HINT)


def unpack_cofw_images(path: Path, key: str) -> list[Path]:
    """Write the photos of a COFW file as PNG into `<stem>_images/`, those not there yet; paths in order.

    Raises:
        InputError: a photo in the file is damaged, or the folder cannot be written to.
    """
    folder = path.with_name(f"{path.stem}_images")
    with open_mat73(path, key) as file:
        references = np.asarray(file[key]).reshape(-1)
        targets = [folder / f"{index + 1:06d}.png" for index in range(len(references))]
        for target, reference in zip(targets, references, strict=True):
            if not target.is_file():
                write_image(target, _photo(f"{path}: photo {target.stem}", file[reference]))
    return targets


def _photo(where: str, stored: Any) -> NDArray[Any]:
    """(W, H) or (3, W, H) uint8, as HDF5 shows MATLAB's images, to H x W x 3 RGB."""
    if stored.dtype != np.uint8 or stored.ndim not in (2, 3) or not 0 < stored.size <= 3 * DEFAULT_MAX_PIXELS:
        raise InputError(f"{where}: expected a uint8 image, found {stored.dtype} {stored.shape}")
    image = np.asarray(stored).T  # (H, W) or (H, W, 3)
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=2)
    if image.shape[2] != 3:
        raise InputError(f"{where}: expected 1 or 3 color planes, found {image.shape[2]}")
    return np.ascontiguousarray(image)
