"""PKD: features are to correlate, whatever their size and offset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from torch import Tensor
from torch.nn import functional as F

from efficientfan.distill.matching import channel_matchers
from efficientfan.distill.term import Channels, DistillationTerm, at_least_float32
from efficientfan.losses import Batch

__all__ = ["Pearson"]


class Pearson(DistillationTerm):
    """Pearson-correlation distillation (PKD, Cao et al., NeurIPS 2022): 1 - r, mean over the channels.

    Each channel is brought to mean 0 and variance 1 over the batch and the positions; half the mean-squared
    difference of two such maps is 1 - r. A 1x1 convolution makes the channels equal where they are not.
    """

    default_levels = ("stage1", "stage2", "stage3")

    def __init__(self, channels: Channels, levels: Sequence[str] | None = None) -> None:
        super().__init__(channels, levels)
        self.matchers = channel_matchers(channels, self.levels)

    def compare(self, level: str, student: Tensor, teacher: Tensor, batch: Batch) -> Tensor:
        matched = at_least_float32(cast(Tensor, self.matchers[level](student)))
        return F.mse_loss(_standardise(matched), _standardise(teacher)) / 2


def _standardise(maps: Tensor) -> Tensor:
    """(N, C, H, W) with mean 0 and variance 1 in every channel; a constant channel becomes 0."""
    centred = maps - maps.mean(dim=(0, 2, 3), keepdim=True)
    return centred * (centred.square().mean(dim=(0, 2, 3), keepdim=True) + 1e-12).rsqrt()
