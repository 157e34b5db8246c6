"""What the detector minimizes: centers by focal loss, boxes by their overlap, points by their distance."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["CenterBatch", "box_loss", "center_loss", "point_loss", "taught_center_loss"]


@dataclass(frozen=True)
class CenterBatch:
    """Targets of N images, as `codec.centers.CenterTargets`, with a first axis N each."""

    centers: Tensor
    chances: Tensor
    boxes: Tensor
    points: Tensor
    box_weights: Tensor
    point_weights: Tensor
    counted: Tensor


def center_loss(logits: Tensor, batch: CenterBatch, alpha: float = 2.0, beta: float = 4.0) -> Tensor:
    """Penalty-reduced focal loss (CornerNet, Law & Deng, ECCV 2018, eq. 1), a scalar per face.

    A face whose chance is below one counts in part as a face and in part as none.

    Args:
        logits: (N, 1, h, w).
        batch: the targets.
        alpha: how little sure cells count.
        beta: how little cells near a center count as background.
    """
    logits = logits[:, 0].float()
    chance = logits.sigmoid()
    log_face, log_none = F.logsigmoid(logits), F.logsigmoid(-logits)
    face = (batch.centers >= 1).float()
    at_face = batch.chances * (1 - chance) ** alpha * log_face
    not_face = face * (1 - batch.chances) * chance**alpha * log_none
    elsewhere = (1 - face) * (1 - batch.centers) ** beta * chance**alpha * log_none
    return -(batch.counted * (at_face + not_face + elsewhere)).sum() / batch.chances.sum().clamp(min=1)


def taught_center_loss(logits: Tensor, teacher: Tensor, batch: CenterBatch) -> Tensor:
    """Quality focal loss (Li et al., NeurIPS 2020, eq. 3, beta 2) to a teacher's map, a scalar per face.

    Args:
        logits: (N, 1, h, w) of the student.
        teacher: (N, 1, h, w) probabilities.
        batch: normalizes by its faces; cells that it does not count are taught as well, the teacher has looked.
    """
    logits, teacher = logits.float(), teacher.float()
    cost = F.binary_cross_entropy_with_logits(logits, teacher, reduction="none")
    return ((logits.sigmoid() - teacher).square() * cost).sum() / batch.chances.sum().clamp(min=1)


def box_loss(boxes: Tensor, true: Tensor, weights: Tensor) -> Tensor:
    """1 - DIoU (Zheng et al., AAAI 2020), the mean by `weights`.

    Args:
        boxes: (N, h, w, 4) predicted, xyxy pixels.
        true: the same, true.
        weights: (N, h, w); a cell of weight 0 is not looked at.
    """
    chosen = weights > 0
    found, true, weights = boxes[chosen].float(), true[chosen].float(), weights[chosen]
    overlap = _sides(torch.maximum(found[:, :2], true[:, :2]), torch.minimum(found[:, 2:], true[:, 2:]))
    intersection = overlap.prod(dim=1)
    union = _sides(found[:, :2], found[:, 2:]).prod(dim=1) + _sides(true[:, :2], true[:, 2:]).prod(dim=1)
    iou = intersection / (union - intersection).clamp(min=1e-6)
    around = _sides(torch.minimum(found[:, :2], true[:, :2]), torch.maximum(found[:, 2:], true[:, 2:]))
    apart = (found[:, :2] + found[:, 2:] - true[:, :2] - true[:, 2:]) / 2
    distance = (apart**2).sum(dim=1) / (around**2).sum(dim=1).clamp(min=1e-6)
    return ((1 - iou + distance) * weights).sum() / weights.sum().clamp(min=1)


def point_loss(points: Tensor, true: Tensor, boxes: Tensor, weights: Tensor) -> Tensor:
    """Distance of the five points in box sizes, smooth below a tenth of a box; the mean by `weights`.

    Args:
        points: (N, h, w, 5, 2) predicted, pixels.
        true: the same, true.
        boxes: (N, h, w, 4) true boxes, xyxy pixels.
        weights: (N, h, w); a cell of weight 0 is not looked at.
    """
    chosen = weights > 0
    sizes = _sides(boxes[chosen][:, :2], boxes[chosen][:, 2:]).amax(dim=1).clamp(min=1)  # (M,)
    apart = (points[chosen].float() - true[chosen].float()) / sizes[:, None, None]
    cost = F.smooth_l1_loss(apart, torch.zeros_like(apart), beta=0.1, reduction="none").mean(dim=(1, 2))
    return (cost * weights[chosen]).sum() / weights.sum().clamp(min=1)


def _sides(low: Tensor, high: Tensor) -> Tensor:
    """(M, 2) width and height, at least 0, of boxes between two corners."""
    return (high - low).clamp(min=0)
