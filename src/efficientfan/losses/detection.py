"""What the detector minimises: centres by focal loss, boxes by their overlap."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["CentreBatch", "box_loss", "centre_loss"]


@dataclass(frozen=True)
class CentreBatch:
    """Targets of N images, as `codec.centres.CentreTargets`: (N, h, w), boxes (N, h, w, 4)."""

    centres: Tensor
    boxes: Tensor
    box_weights: Tensor
    counted: Tensor


def centre_loss(logits: Tensor, batch: CentreBatch, alpha: float = 2.0, beta: float = 4.0) -> Tensor:
    """Penalty-reduced focal loss (CornerNet, Law & Deng, ECCV 2018, eq. 1), a scalar per face.

    Args:
        logits: (N, 1, h, w).
        batch: the targets.
        alpha: how little sure cells count.
        beta: how little cells near a centre count as background.
    """
    logits = logits[:, 0].float()
    chance = logits.sigmoid()
    log_face, log_none = torch.nn.functional.logsigmoid(logits), torch.nn.functional.logsigmoid(-logits)
    face = (batch.centres >= 1).float()
    at_face = face * (1 - chance) ** alpha * log_face
    elsewhere = (1 - face) * (1 - batch.centres) ** beta * chance**alpha * log_none
    return -(batch.counted * (at_face + elsewhere)).sum() / face.sum().clamp(min=1)


def box_loss(boxes: Tensor, batch: CentreBatch) -> Tensor:
    """1 - DIoU (Zheng et al., AAAI 2020), the mean by `box_weights`.

    Args:
        boxes: (N, h, w, 4) predicted, xyxy pixels.
        batch: the targets.
    """
    chosen = batch.box_weights > 0
    found, true, weights = boxes[chosen].float(), batch.boxes[chosen], batch.box_weights[chosen]
    overlap = _sides(torch.maximum(found[:, :2], true[:, :2]), torch.minimum(found[:, 2:], true[:, 2:]))
    intersection = overlap.prod(dim=1)
    union = _sides(found[:, :2], found[:, 2:]).prod(dim=1) + _sides(true[:, :2], true[:, 2:]).prod(dim=1)
    iou = intersection / (union - intersection).clamp(min=1e-6)
    around = _sides(torch.minimum(found[:, :2], true[:, :2]), torch.maximum(found[:, 2:], true[:, 2:]))
    apart = (found[:, :2] + found[:, 2:] - true[:, :2] - true[:, 2:]) / 2
    distance = (apart**2).sum(dim=1) / (around**2).sum(dim=1).clamp(min=1e-6)
    return ((1 - iou + distance) * weights).sum() / weights.sum().clamp(min=1)


def _sides(low: Tensor, high: Tensor) -> Tensor:
    """(M, 2) width and height, at least 0, of boxes between two corners."""
    return (high - low).clamp(min=0)
