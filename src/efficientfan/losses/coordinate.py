"""Losses on decoded coordinates."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from efficientfan.errors import InputError
from efficientfan.losses.objective import Batch, Prediction, masked_mean

__all__ = ["COORDINATE_KINDS", "CoordinateLoss", "smooth_l1", "wing"]


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
        kind: a key of `COORDINATE_KINDS`.
        unit: crop pixels that count as one; the stride measures in heatmap cells.
        options: parameters of the loss, such as beta=0.1; all are lengths in `unit`, above 0.

    Raises:
        InputError: an unknown loss or option, or an option that is not above 0.
    """

    def __init__(self, kind: str, unit: float = 1.0, **options: float) -> None:
        super().__init__()
        if kind not in COORDINATE_KINDS:
            raise InputError(f"unknown coordinate loss {kind!r}; known are {', '.join(COORDINATE_KINDS)}")
        for name, value in options.items():
            if not value > 0:
                raise InputError(f"coordinate loss {kind!r}: {name} must be above 0, not {value}")
        try:
            COORDINATE_KINDS[kind](torch.zeros(1), **options)
        except TypeError as error:
            raise InputError(f"coordinate loss: {error}") from error
        self.loss = COORDINATE_KINDS[kind]
        self.unit = unit
        self.options = options

    def forward(self, prediction: Prediction, batch: Batch) -> Tensor:
        """Scalar mean over the labelled landmarks."""
        distance = (prediction.points - batch.points).abs() / self.unit
        return masked_mean(self.loss(distance, **self.options).mean(dim=-1), batch.weights)
