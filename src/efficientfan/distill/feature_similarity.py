"""FS: positions that are alike to the teacher are to be alike to the student."""

from __future__ import annotations

from torch import Tensor

from efficientfan.distill.affinity import affinity_distance
from efficientfan.distill.term import DistillationTerm
from efficientfan.losses import Batch

__all__ = ["FeatureSimilarity"]


class FeatureSimilarity(DistillationTerm):
    """Feature-similarity distillation (MobileFAN, Zhao et al., Pattern Recognition 100, 2020).

    Cosine affinities a_ij between all positions i, j of a map, and sum_ij (a^S_ij - a^T_ij)² / (H W)². No
    adapter is needed: affinities have no channels. On segmentation maps this is pairwise structured
    distillation (Liu et al., CVPR 2019). Exact; memory as stated in `affinity_distance`.
    """

    default_levels = ("stage1", "stage2", "stage3")

    def compare(self, level: str, student: Tensor, teacher: Tensor, batch: Batch) -> Tensor:
        return affinity_distance(student, teacher)
