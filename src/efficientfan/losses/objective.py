"""The objective: named loss terms, each with its weight."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

from efficientfan.models import NetworkOutput

__all__ = ["Batch", "Objective", "Prediction", "Term", "weighted_mean"]


@dataclass(frozen=True)
class Batch:
    """Training samples.

    Attributes:
        images: (N, 3, S, S) normalised RGB.
        points: (N, K, 2) true landmarks in crop pixels; 0 where unlabelled.
        weights: (N, K) weight of each landmark; 0 where it has no label.
        visibility: (N, K) int64 indices in `VISIBILITY_CLASSES`, -1 where unknown; None if there are none.
    """

    images: Tensor
    points: Tensor
    weights: Tensor
    visibility: Tensor | None = None


@dataclass(frozen=True)
class Prediction:
    """What the student makes of a batch.

    Attributes:
        output: its heatmaps and feature maps.
        points: (N, K, 2) decoded landmarks in crop pixels, differentiable where the decoder is.
    """

    output: NetworkOutput
    points: Tensor


class Term(Protocol):
    """One part of a loss: an `nn.Module` with this call. It returns a scalar."""

    def __call__(self, prediction: Prediction, batch: Batch) -> Tensor: ...


class Objective(nn.Module):
    """A weighted sum of terms, each kept by its name.

    Args:
        terms: name -> module that is a `Term`.
        scales: name -> factor.
    """

    def __init__(self, terms: Mapping[str, nn.Module], scales: Mapping[str, float]) -> None:
        super().__init__()
        self.terms = nn.ModuleDict(dict(terms))
        self.scales = dict(scales)

    def forward(self, prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        """Weighted parts by name; their sum is the loss."""
        return {name: self.scales[name] * term(prediction, batch) for name, term in self.terms.items()}


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Mean of `values` (N, K) by `weights` (N, K); 0 where nothing has a weight."""
    return (values * weights).sum() / weights.sum().clamp(min=1e-6)
