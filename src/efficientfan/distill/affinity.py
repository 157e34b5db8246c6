"""How far the pairwise similarities of two maps differ: exactly, without writing the similarities down."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["affinity_distance"]


def affinity_distance(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean-squared difference of two maps' cosine affinities between all positions.

    With unit vectors s_i at the P = H W positions (columns of S, C x P), the affinities are A = SᵀS, and

        |SᵀS - TᵀT|² = |SSᵀ|² + |TTᵀ|² - 2 |STᵀ|²        (Frobenius norms)

    holds because tr(SᵀS TᵀT) = |STᵀ|². The right side has C x C matrices only. Few positions (P <= C) are
    compared directly instead. Either way **no intermediate is larger than the larger map itself**, and at
    64 x 64 with 128 and 256 channels it takes 14 times less arithmetic than the 4096 x 4096 affinities would.

    In float32, cancellation leaves an absolute error of about 1e-7; autocast is off in here for that reason.

    Args:
        student: (N, C, H, W); a zero vector has affinity 0 with everything.
        teacher: (N, C', H, W); C' may differ from C.

    Returns:
        (N,) in [0, 4], to within that error.
    """
    positions = student.shape[2] * student.shape[3]
    with torch.autocast(student.device.type, enabled=False):
        s = F.normalize(student.flatten(2), dim=1, eps=1e-6)  # (N, C, P)
        t = F.normalize(teacher.flatten(2), dim=1, eps=1e-6)  # (N, C', P)
        if positions <= max(s.shape[1], t.shape[1]):
            total = (s.mT @ s - t.mT @ t).square().sum(dim=(1, 2))
        else:
            total = _energy(s, s) + _energy(t, t) - 2 * _energy(s, t)
    return total / positions**2


def _energy(a: Tensor, b: Tensor) -> Tensor:
    """(N,) squared Frobenius norms of a bᵀ, for a (N, C, P) and b (N, C', P)."""
    return (a @ b.mT).square().sum(dim=(1, 2))
