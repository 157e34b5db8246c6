"""What validation measures on plain crops."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from efficientfan.geometry import box_of_points
from efficientfan.metrics import box_size, interocular, nme
from efficientfan.spec import ModelSpec
from efficientfan.structures import VISIBILITY_CLASSES

__all__ = ["validation_nme", "visible_counts"]

Array = NDArray[Any]


def visible_counts(probabilities: Tensor, labels: Tensor) -> Tensor:
    """(3,) how many landmarks are rightly found visible, found visible, and visible, of those with a label.

    Args:
        probabilities: (N, K, 3) of `VISIBILITY_CLASSES`.
        labels: (N, K), as in `Batch`.
    """
    visible = VISIBILITY_CLASSES.index("visible")
    found, there = (probabilities.argmax(dim=2) == visible) & (labels >= 0), labels == visible
    return torch.stack([(found & there).sum(), found.sum(), there.sum()]).float()


def validation_nme(points: Array, truth: Array, spec: ModelSpec) -> float:
    """Mean NME of plain crops, as a fraction; a similarity transform leaves it as it is in image pixels.

    By the outer eye corners, and by the box (sqrt of its area) for faces whose corners are not labelled.

    Args:
        points: (N, K, 2) predicted, crop pixels.
        truth: (N, K, 2), crop pixels; NaN where unlabelled.
        spec: its schema names the eye corners.
    """
    if "interocular" in spec.schema.normalizers:
        lengths = interocular(truth, spec.schema)
    else:
        lengths = np.full(len(truth), np.nan)
    boxes = np.stack([box_of_points(face) for face in truth])
    lengths = np.where(np.isfinite(lengths), lengths, box_size(boxes))
    return float(nme(points, truth, lengths).mean())
