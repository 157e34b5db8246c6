"""PS: as FS, between patches of every size."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from efficientfan.distill.affinity import affinity_distance
from efficientfan.distill.term import DistillationTerm
from efficientfan.losses import Batch

__all__ = ["PatchSimilarity"]


class PatchSimilarity(DistillationTerm):
    """Patch-similarity distillation (EfficientFAN, Gao, Lu & Xue, ICMR 2020; TNNLS 34(3), 2023).

    A map of side 2^n is average-pooled by 2^k for k = 0 .. n-1, and the cosine affinities between its 4^(n-k)
    patches are compared: (1/n) sum_k |A^S_k - A^T_k|² / 16^(n-k). That is the mean over k of FS on the pooled
    maps. Exact at 64 x 64 too, where the known re-implementation pools first; memory as in
    `affinity_distance`. Other sides: every pooling that leaves two patches a side, without what remains at
    the border.
    """

    default_levels = ("encoder", "stage1", "stage2", "stage3")

    def compare(self, level: str, student: Tensor, teacher: Tensor, batch: Batch) -> Tensor:
        n_scales = max(1, min(student.shape[2:]).bit_length() - 1)
        scales = [
            affinity_distance(F.avg_pool2d(student, 2**k), F.avg_pool2d(teacher, 2**k))
            for k in range(n_scales)
        ]
        return torch.stack(scales).mean()
