"""AT: the student is to be active where the teacher is."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from efficientfan.distill.term import DistillationTerm
from efficientfan.losses import Batch

__all__ = ["AttentionTransfer"]


class AttentionTransfer(DistillationTerm):
    """Activation-based attention transfer (Zagoruyko & Komodakis, ICLR 2017, equation 2, p = 2).

    The mean over the channels of the squared map, as one unit vector over the positions, and the mean-squared
    difference of both networks' vectors, as in the authors' code (the equation has the norm instead).
    """

    default_levels = ("stage1", "stage2", "stage3")

    def compare(self, level: str, student: Tensor, teacher: Tensor, batch: Batch) -> Tensor:
        return F.mse_loss(_attention(student), _attention(teacher))


def _attention(maps: Tensor) -> Tensor:
    """(N, C, H, W) to (N, H*W) of unit length."""
    return F.normalize(maps.square().mean(dim=1).flatten(1), dim=1, eps=1e-6)
