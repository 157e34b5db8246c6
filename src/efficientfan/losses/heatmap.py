"""Losses on heatmaps."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from efficientfan.codec import gaussian_heatmaps
from efficientfan.errors import InputError
from efficientfan.losses.objective import Batch, Prediction, masked_mean

__all__ = ["HEATMAP_KINDS", "HeatmapLoss", "adaptive_wing", "softmax_cross_entropy", "squared_error"]


def squared_error(maps: Tensor, targets: Tensor) -> Tensor:
    """(N, K) mean-squared error of each map (MobileFAN, section 3.2; EfficientFAN)."""
    return (maps - targets).square().mean(dim=(2, 3))


def softmax_cross_entropy(maps: Tensor, targets: Tensor) -> Tensor:
    """(N, K) cross-entropy between the softmax over the cells and the target made to sum to one.

    The entropy of the target is taken off, so that 0 is reached where both agree: a Kullback-Leibler divergence.
    """
    goal = targets.flatten(2)
    goal = goal / goal.sum(dim=2, keepdim=True).clamp(min=1e-6)
    entropy = -(goal * goal.clamp(min=1e-12).log()).sum(dim=2)
    return -(goal * maps.flatten(2).log_softmax(dim=2)).sum(dim=2) - entropy


def adaptive_wing(
    maps: Tensor,
    targets: Tensor,
    *,
    omega: float = 14.0,
    theta: float = 0.5,
    epsilon: float = 1.0,
    alpha: float = 2.1,
) -> Tensor:
    """(N, K) adaptive wing loss (Wang, Bo & Fuxin, ICCV 2019, equation 3), with its weight map: 11 near the targets."""
    distance = (maps - targets).abs()
    power = alpha - targets
    ratio = theta / epsilon
    slope = omega / (1 + ratio**power) * power * ratio ** (power - 1) / epsilon
    offset = theta * slope - omega * torch.log1p(ratio**power)
    inner = omega * torch.log1p((distance / epsilon) ** power)
    loss = torch.where(distance < theta, inner, slope * distance - offset)
    near = F.max_pool2d(targets, 3, stride=1, padding=1) >= 0.2
    return (loss * (1 + 10 * near)).mean(dim=(2, 3))


HEATMAP_KINDS: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": squared_error,
    "softmax_ce": softmax_cross_entropy,
    "awing": adaptive_wing,
}


class HeatmapLoss(nn.Module):
    """A heatmap loss against Gaussian targets; landmarks without a label do not count.

    Args:
        kind: a key of `HEATMAP_KINDS`.
        stride: crop pixels per cell.
        sigma: of the targets, in cells.
    """

    def __init__(self, kind: str, stride: int, sigma: float) -> None:
        super().__init__()
        if kind not in HEATMAP_KINDS:
            raise InputError(f"unknown heatmap loss {kind!r}; known are {', '.join(HEATMAP_KINDS)}")
        self.loss = HEATMAP_KINDS[kind]
        self.stride = stride
        self.sigma = sigma

    def forward(self, prediction: Prediction, batch: Batch) -> Tensor:
        """Scalar mean over the labelled landmarks."""
        maps = prediction.output.heatmaps.float()
        targets = gaussian_heatmaps(
            batch.points, batch.weights, heatmap_size=maps.shape[-1], stride=self.stride, sigma=self.sigma
        )
        return masked_mean(self.loss(maps, targets), batch.weights)
