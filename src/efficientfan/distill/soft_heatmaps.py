"""Soft heatmaps: the teacher's maps as further targets."""

from __future__ import annotations

from torch import Tensor

from efficientfan.distill.term import DistillationTerm
from efficientfan.losses.objective import Batch, masked_mean

__all__ = ["SoftHeatmaps"]


class SoftHeatmaps(DistillationTerm):
    """Soft targets (Hinton, Vinyals & Dean, 2015) for heatmaps: mean-squared error to the teacher's.

    Landmarks without a label do not count. The form with softmax and temperature, for maps that are trained
    by cross-entropy, is `ChannelWise` on the heatmaps.
    """

    default_levels = ("heatmaps",)

    def compare(self, level: str, student: Tensor, teacher: Tensor, batch: Batch) -> Tensor:
        return masked_mean((student - teacher).square().mean(dim=(2, 3)), batch.weights)
