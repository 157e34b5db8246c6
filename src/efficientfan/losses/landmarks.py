"""What landmark networks minimize: losses on heatmaps, on decoded coordinates, and on visibility."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from efficientfan.codec import gaussian_heatmaps
from efficientfan.errors import InputError, unknown
from efficientfan.extension import OWN, is_reference, load_callable
from efficientfan.losses.objective import Batch, Prediction, weighted_mean

__all__ = [
    "COORDINATE_KINDS",
    "CoordinateLoss",
    "HEATMAP_KINDS",
    "HeatmapLoss",
    "VisibilityLoss",
    "adaptive_wing",
    "smooth_l1",
    "softmax_cross_entropy",
    "squared_error",
    "wing",
]

_UNKNOWN = -1


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


def _find(kind: str, what: str, known: Mapping[str, Callable[..., Tensor]]) -> Callable[..., Tensor]:
    if is_reference(kind):
        return load_callable(kind, what)
    if kind not in known:
        raise unknown(what, kind, known, OWN)
    return known[kind]


class HeatmapLoss(nn.Module):
    """A heatmap loss against Gaussian targets; landmarks without a label do not count.

    Args:
        kind: a key of `HEATMAP_KINDS`; or your own as "FILE.py:name" or "package.module:name": a function, or a class
            whose instances are called, of maps and targets (N, K, H, W) that returns (N, K).
        stride: crop pixels per cell.
        sigma: of the targets, in cells.
    """

    def __init__(self, kind: str, stride: int, sigma: float) -> None:
        super().__init__()
        self.kind = kind
        self.loss = _find(kind, "heatmap loss", HEATMAP_KINDS)
        self.stride = stride
        self.sigma = sigma

    def forward(self, prediction: Prediction, batch: Batch) -> Tensor:
        """Scalar mean over the labeled landmarks."""
        maps = prediction.output.heatmaps.float()
        targets = gaussian_heatmaps(
            batch.points, batch.weights, heatmap_size=maps.shape[-1], stride=self.stride, sigma=self.sigma
        )
        values = self.loss(maps, targets)
        if values.shape != batch.weights.shape:
            raise InputError(
                f"heatmap loss {self.kind!r}: returns {tuple(values.shape)}, not one value per face and landmark, "
                f"{tuple(batch.weights.shape)}"
            )
        return weighted_mean(values, batch.weights)


def wing(distance: Tensor, *, w: float = 15.0, epsilon: float = 3.0) -> Tensor:
    """Wing loss (Feng et al., CVPR 2018; w = 15, epsilon = 3 as in EfficientFAN), elementwise, of distances >= 0."""
    offset = w - w * math.log(1 + w / epsilon)
    return torch.where(distance < w, w * torch.log1p(distance / epsilon), distance - offset)


def smooth_l1(distance: Tensor, *, beta: float = 1.0) -> Tensor:
    """Smooth L1 (Huber / beta), elementwise, of distances >= 0."""
    return torch.where(distance < beta, 0.5 * distance.square() / beta, distance - 0.5 * beta)


COORDINATE_KINDS: Mapping[str, Callable[..., Tensor]] = {"wing": wing, "smooth_l1": smooth_l1}


class CoordinateLoss(nn.Module):
    """A coordinate loss, taken per axis on distances in `unit` crop pixels, averaged over x and y.

    Args:
        kind: a key of `COORDINATE_KINDS`; or your own, as of `HeatmapLoss`: elementwise, of distances >= 0.
        unit: crop pixels that count as one; the stride measures in heatmap cells.
        options: parameters of the loss, such as beta=0.1; all are lengths in `unit`, above 0.

    Raises:
        InputError: an unknown loss or option, or an option that is not above 0.
    """

    def __init__(self, kind: str, unit: float = 1.0, **options: float) -> None:
        super().__init__()
        self.loss = _find(kind, "coordinate loss", COORDINATE_KINDS)
        for name, value in options.items():
            if not value > 0:
                raise InputError(f"coordinate loss {kind!r}: {name} must be above 0, not {value}")
        try:
            values = self.loss(torch.zeros(2, 3, 2), **options)
        except TypeError as error:
            raise InputError(f"coordinate loss: {error}") from error
        if values.shape != (2, 3, 2):
            raise InputError(
                f"coordinate loss {kind!r}: makes {tuple(values.shape)} of (2, 3, 2) distances; it must be elementwise"
            )
        self.unit = unit
        self.options = options

    def forward(self, prediction: Prediction, batch: Batch) -> Tensor:
        """Scalar mean over the labeled landmarks."""
        distance = (prediction.points - batch.points).abs() / self.unit
        return weighted_mean(self.loss(distance, **self.options).mean(dim=-1), batch.weights)


class VisibilityLoss(nn.Module):
    """Cross-entropy between a landmark's visibility and its label, where there is one.

    The only loss that hears of landmarks that are turned away: they have no point. Where a landmark lies and
    whether it can be seen are labeled apart, so `Batch.weights` have no say.

    Raises:
        InputError: when called, a network without a visibility head or a batch without labels.
    """

    def forward(self, prediction: Prediction, batch: Batch) -> Tensor:
        """Scalar mean over the landmarks whose visibility is known; 0 without any."""
        logits, labels = prediction.output.visibility, batch.visibility
        if logits is None or labels is None:
            raise InputError("a loss on visibility needs a network with that head, and labels")
        total = F.cross_entropy(
            logits.float().flatten(0, 1), labels.flatten(), ignore_index=_UNKNOWN, reduction="sum"
        )
        return total / (labels != _UNKNOWN).sum().clamp(min=1)
