"""FA: the student's maps, after an adapter, are to equal the teacher's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

from torch import Tensor, nn
from torch.nn import functional as F

from efficientfan.distill.term import Channels, DistillationTerm
from efficientfan.errors import InputError
from efficientfan.losses import Batch

__all__ = ["FeatureAligned"]


class FeatureAligned(DistillationTerm):
    """Feature-aligned distillation: mean-squared error between adapted student map and teacher map.

    MobileFAN (Zhao et al., Pattern Recognition 100, 2020) adapts the three decoder outputs with a 1x1
    convolution without bias, BN and ReLU each; its released code adapts the third level with the second
    level's adapter, here each has its own. EfficientFAN (Gao, Lu & Xue, ICMR 2020) adds the encoder's map and
    adapts with a plain 1x1 convolution. Mimicking (Li et al., CVPR 2017) is the forerunner of both.

    Args:
        adapter: "conv_bn_relu", MobileFAN's, or "conv", EfficientFAN's.
    """

    default_levels = ("stage1", "stage2", "stage3")

    def __init__(
        self,
        channels: Channels,
        levels: Sequence[str] | None = None,
        *,
        adapter: Literal["conv_bn_relu", "conv"] = "conv_bn_relu",
    ) -> None:
        super().__init__(channels, levels)
        if adapter not in ("conv_bn_relu", "conv"):
            raise InputError(f"FeatureAligned: adapter is conv_bn_relu or conv, not {adapter!r}")
        self.adapters = nn.ModuleDict(
            {
                level: _adapter(channels.student[level], channels.teacher[level], rectified=adapter != "conv")
                for level in self.levels
            }
        )

    def compare(self, level: str, student: Tensor, teacher: Tensor, batch: Batch) -> Tensor:
        return F.mse_loss(cast(Tensor, self.adapters[level](student)).to(teacher.dtype), teacher)


def _adapter(student: int, teacher: int, rectified: bool) -> nn.Module:
    if not rectified:
        return nn.Conv2d(student, teacher, 1)
    return nn.Sequential(nn.Conv2d(student, teacher, 1, bias=False), nn.BatchNorm2d(teacher), nn.ReLU())
