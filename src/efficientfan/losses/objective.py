"""The objective: named loss terms, each with its weight."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor, nn

from efficientfan.models import NetworkOutput

__all__ = ["Batch", "Objective", "Prediction", "Term", "weighted_mean"]


@dataclass(frozen=True)
class Batch:
    """Training samples.

    Attributes:
        images: (N, 3, S, S) normalized RGB.
        points: (N, K, 2) true landmarks in crop pixels; 0 where unlabeled.
        weights: (N, K) weight of each landmark; 0 where it has no label.
        visibility: (N, K) int64 indices in `VISIBILITY_CLASSES`, -1 where unknown; None if there are none.
        teaching_weights: (N, K) weight of each landmark in comparisons with a teacher, see `teaching`; None where it is
            that of the label.
        crops: side -> (N, side, side, 3) uint8 RGB, the crops as other networks want them.
        progress: share of the run that is done, in [0, 1].
    """

    images: Tensor
    points: Tensor
    weights: Tensor
    visibility: Tensor | None = None
    teaching_weights: Tensor | None = None
    crops: Mapping[int, Tensor] = field(default_factory=dict)
    progress: float = 0.0

    @property
    def teaching(self) -> Tensor:
        """(N, K) weight of each landmark in comparisons with a teacher: a face without labels has one, too."""
        return self.weights if self.teaching_weights is None else self.teaching_weights

    @property
    def face_weights(self) -> Tensor:
        """(N,) weight of each face in comparisons with a teacher: that of its heaviest landmark."""
        return self.teaching.amax(dim=1)


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

    Attributes:
        crop_sides: sides of the crops that a batch must carry in `Batch.crops`.
        notes: figures of the last call by name that are no part of the loss, for the logs.

    Args:
        terms: name -> module that is a `Term`.
        scales: name -> factor.
    """

    crop_sides: frozenset[int] = frozenset()

    def __init__(self, terms: Mapping[str, nn.Module], scales: Mapping[str, float]) -> None:
        super().__init__()
        self.terms = nn.ModuleDict(dict(terms))
        self.scales = dict(scales)
        self.notes: Mapping[str, Tensor] = {}

    def forward(self, prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        """Weighted parts by name; their sum is the loss."""
        return {name: self.scales[name] * term(prediction, batch) for name, term in self.terms.items()}


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Mean of `values` by `weights` of the same shape; 0 where nothing has a weight."""
    return (values * weights).sum() / weights.sum().clamp(min=1e-6)
