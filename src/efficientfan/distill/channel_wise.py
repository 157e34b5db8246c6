"""CWD: each channel as a distribution over the positions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from torch import Tensor

from efficientfan.distill.matching import channel_matchers
from efficientfan.distill.term import HEATMAPS, Channels, DistillationTerm, at_least_float32
from efficientfan.errors import InputError
from efficientfan.losses.objective import Batch, masked_mean

__all__ = ["ChannelWise"]


class ChannelWise(DistillationTerm):
    """Channel-wise distillation (Shu et al., ICCV 2021): T² KL(teacher, student), mean over the channels.

    Each channel becomes a softmax over its positions at temperature T. On heatmaps it is soft-target
    distillation (Hinton et al., 2015) with one class per cell, and landmarks without a label do not count. On
    features, a 1x1 convolution makes the channels equal where they are not.

    Args:
        temperature: T.
    """

    default_levels = ("heatmaps",)

    def __init__(
        self, channels: Channels, levels: Sequence[str] | None = None, *, temperature: float = 1.0
    ) -> None:
        super().__init__(channels, levels)
        if not temperature > 0:
            raise InputError(f"ChannelWise: temperature must be above 0, not {temperature}")
        self.temperature = temperature
        self.matchers = channel_matchers(channels, self.levels)

    def compare(self, level: str, student: Tensor, teacher: Tensor, batch: Batch) -> Tensor:
        matched = at_least_float32(cast(Tensor, self.matchers[level](student)))
        log_s = (matched.flatten(2) / self.temperature).log_softmax(dim=2)
        log_t = (teacher.flatten(2) / self.temperature).log_softmax(dim=2)
        divergence = self.temperature**2 * (log_t.exp() * (log_t - log_s)).sum(dim=2)  # (N, C)
        return masked_mean(divergence, batch.weights) if level == HEATMAPS else divergence.mean()
