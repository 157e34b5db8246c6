"""The offset of labels to one side of every face, and how to mirror a face without reversing it.

Against predictions averaged with those of the mirrored photo, which cannot prefer a side, the labels of many data sets
lie to the right of the photo by half a percent of the face. A network that is trained on mirrored copies as they are
sees the labels lean right in one half of its crops and left in the other, and learns neither. Moving the labels of
the mirrored half keeps the lean; it follows the annotators, it does not correct them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientfan.errors import InputError
from efficientfan.geometry import CropTransform
from efficientfan.imaging import read_rgb, warp
from efficientfan.schema import LandmarkSchema, convert_points
from efficientfan.spec import ModelSpec
from efficientfan.structures import Annotation

__all__ = ["FEWEST_FACES", "MirrorOffset", "before_mirroring", "measure_mirror_offset"]

Array = NDArray[Any]

FEWEST_FACES = 30
"""An offset from fewer faces says more of them than of the annotators."""


@dataclass(frozen=True)
class MirrorOffset:
    """How far a data set's labels lie to the right of the photo.

    Attributes:
        mean: in longer sides of the labels' tight box, + is right.
        standard_error: of the mean, over faces.
        faces: how many it was estimated on.
    """

    mean: float
    standard_error: float
    faces: int

    def __str__(self) -> str:
        return f"{self.mean:+.4f} ± {self.standard_error:.4f} of the box's longer side ({self.faces} faces)"


def before_mirroring(annotation: Annotation, offset: float) -> Array:
    """(K, 2) labels that lean by `offset` to the right once the photo has been mirrored, in image pixels before it.

    Args:
        annotation: the face; its labels lean by `offset` to the right.
        offset: in longer sides of its tight box.
    """
    x0, y0, x1, y1 = annotation.tight_box
    return np.asarray(annotation.points - [2 * offset * max(x1 - x0, y1 - y0), 0.0])


def measure_mirror_offset(
    faces: Sequence[Annotation],
    run: Callable[[Array], Array],
    spec: ModelSpec,
    schema: LandmarkSchema,
    *,
    limit: int = 600,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> MirrorOffset:
    """Estimate a data set's offset: labels minus predictions that were averaged with those of the mirrored crop.

    Args:
        faces: of the data set; training faces, where it is to be used in training.
        run: (N, S, S, 3) uint8 crops to points (N, K, 2) in crop pixels: any network, however well it is trained.
        spec: its crop and schema.
        schema: of the labels; the network's points are converted to it.
        limit: faces looked at, chosen at random.
        seed: of that choice.
        progress: called with the faces done and their total.

    Raises:
        InputError: fewer than `FEWEST_FACES` usable faces, an unreadable photo, or no conversion to `schema`.
    """
    usable = [face for face in faces if np.isfinite(face.points).all(axis=1).sum() >= 2]
    if len(usable) < FEWEST_FACES:
        raise InputError(f"a mirror offset needs at least {FEWEST_FACES} faces, not {len(usable)}")
    chosen = [usable[i] for i in np.random.default_rng(seed).permutation(len(usable))[:limit]]
    leans = []
    for done, face in enumerate(chosen, start=1):
        photo, box = read_rgb(face.image), face.tight_box
        upright, mirrored = (
            CropTransform.from_box(box, spec.input_size, spec.crop_margin, flip=flip)
            for flip in (False, True)
        )
        first, second = run(np.concatenate([warp(photo, [upright]), warp(photo, [mirrored])]))
        unbiased = (upright.inverse(first) + mirrored.inverse(second)[spec.schema.flip_indices]) / 2
        apart = face.points - convert_points(unbiased, spec.schema, schema)
        leans.append(float(np.nanmean(apart[:, 0])) / max(box[2] - box[0], box[3] - box[1]))
        progress(done, len(chosen))
    lean = np.array(leans)
    return MirrorOffset(float(lean.mean()), float(lean.std(ddof=1)) / math.sqrt(len(lean)), len(lean))
