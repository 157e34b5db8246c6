"""The terms: what of a teacher a student may be asked to match; a class each, and `TERMS`, their names in recipes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from efficientfan.distill.affinity import affinity_distance
from efficientfan.distill.term import HEATMAPS, Channels, DistillationTerm, at_least_float32
from efficientfan.errors import InputError, unknown
from efficientfan.extension import OWN, is_reference, load_class
from efficientfan.losses.objective import Batch, weighted_mean

__all__ = [
    "AttentionTransfer",
    "ChannelWise",
    "FeatureAligned",
    "FeatureSimilarity",
    "PatchSimilarity",
    "Pearson",
    "SoftHeatmaps",
    "TERMS",
    "find_term",
]


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
        return _squared(cast(Tensor, self.adapters[level](student)).to(teacher.dtype), teacher)


def _adapter(student: int, teacher: int, rectified: bool) -> nn.Module:
    if not rectified:
        return nn.Conv2d(student, teacher, 1)
    return nn.Sequential(nn.Conv2d(student, teacher, 1, bias=False), nn.BatchNorm2d(teacher), nn.ReLU())


class FeatureSimilarity(DistillationTerm):
    """Feature-similarity distillation (MobileFAN, Zhao et al., Pattern Recognition 100, 2020).

    Cosine affinities a_ij between all positions i, j of a map, and sum_ij (a^S_ij - a^T_ij)² / (H W)². No
    adapter is needed: affinities have no channels. On segmentation maps this is pairwise structured
    distillation (Liu et al., CVPR 2019). Exact; memory as stated in `affinity_distance`.
    """

    default_levels = ("stage1", "stage2", "stage3")

    def compare(self, level: str, student: Tensor, teacher: Tensor, batch: Batch) -> Tensor:
        return affinity_distance(student, teacher)


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
        return torch.stack(scales).mean(dim=0)


class AttentionTransfer(DistillationTerm):
    """Activation-based attention transfer (Zagoruyko & Komodakis, ICLR 2017, equation 2, p = 2).

    The mean over the channels of the squared map, as one unit vector over the positions, and the mean-squared
    difference of both networks' vectors, as in the authors' code (the equation has the norm instead).
    """

    default_levels = ("stage1", "stage2", "stage3")

    def compare(self, level: str, student: Tensor, teacher: Tensor, batch: Batch) -> Tensor:
        return _squared(_attention(student), _attention(teacher))


def _attention(maps: Tensor) -> Tensor:
    """(N, C, H, W) to (N, H*W) of unit length."""
    return F.normalize(maps.square().mean(dim=1).flatten(1), dim=1, eps=1e-6)


class SoftHeatmaps(DistillationTerm):
    """Soft targets (Hinton, Vinyals & Dean, 2015) for heatmaps: mean-squared error to the teacher's.

    Landmarks count by `Batch.teaching`. The form with softmax and temperature, for maps that are trained by
    cross-entropy, is `ChannelWise` on the heatmaps.
    """

    default_levels = ("heatmaps",)

    def compare(self, level: str, student: Tensor, teacher: Tensor, batch: Batch) -> Tensor:
        return weighted_mean((student - teacher).square().mean(dim=(2, 3)), batch.teaching)


class ChannelWise(DistillationTerm):
    """Channel-wise distillation (Shu et al., ICCV 2021): T² KL(teacher, student), mean over the channels.

    Each channel becomes a softmax over its positions at temperature T. On heatmaps it is soft-target
    distillation (Hinton et al., 2015) with one class per cell, and landmarks count by `Batch.teaching`. On
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
        self.matchers = _channel_matchers(channels, self.levels)

    def compare(self, level: str, student: Tensor, teacher: Tensor, batch: Batch) -> Tensor:
        matched = at_least_float32(cast(Tensor, self.matchers[level](student)))
        log_s = (matched.flatten(2) / self.temperature).log_softmax(dim=2)
        log_t = (teacher.flatten(2) / self.temperature).log_softmax(dim=2)
        divergence = self.temperature**2 * (log_t.exp() * (log_t - log_s)).sum(dim=2)  # (N, C)
        return weighted_mean(divergence, batch.teaching) if level == HEATMAPS else divergence.mean(dim=1)


class Pearson(DistillationTerm):
    """Pearson-correlation distillation (PKD, Cao et al., NeurIPS 2022): 1 - r, mean over the channels.

    Each channel is brought to mean 0 and variance 1 over the batch and the positions; half the mean-squared
    difference of two such maps is 1 - r. Weights of faces weigh the difference, not mean and variance. A 1x1
    convolution makes the channels equal where they are not.
    """

    default_levels = ("stage1", "stage2", "stage3")

    def __init__(self, channels: Channels, levels: Sequence[str] | None = None) -> None:
        super().__init__(channels, levels)
        self.matchers = _channel_matchers(channels, self.levels)

    def compare(self, level: str, student: Tensor, teacher: Tensor, batch: Batch) -> Tensor:
        matched = at_least_float32(cast(Tensor, self.matchers[level](student)))
        return _squared(_standardize(matched), _standardize(teacher)) / 2


def _standardize(maps: Tensor) -> Tensor:
    """(N, C, H, W) with mean 0 and variance 1 in every channel; a constant channel becomes 0."""
    centered = maps - maps.mean(dim=(0, 2, 3), keepdim=True)
    return centered * (centered.square().mean(dim=(0, 2, 3), keepdim=True) + 1e-12).rsqrt()


def _squared(student: Tensor, teacher: Tensor) -> Tensor:
    """(N,) mean-squared difference of each face's values, (N, ...)."""
    return (student - teacher).square().flatten(1).mean(dim=1)


def _channel_matchers(channels: Channels, levels: Iterable[str]) -> nn.ModuleDict:
    """Level -> 1x1 convolution to the teacher's number of channels, or the identity where both have as many."""

    def matcher(student: int, teacher: int) -> nn.Module:
        return nn.Identity() if student == teacher else nn.Conv2d(student, teacher, 1)

    return nn.ModuleDict(
        {level: matcher(channels.student[level], channels.teacher[level]) for level in levels}
    )


TERMS: Mapping[str, type[DistillationTerm]] = {
    "fa": FeatureAligned,
    "fs": FeatureSimilarity,
    "ps": PatchSimilarity,
    "at": AttentionTransfer,
    "soft": SoftHeatmaps,
    "cwd": ChannelWise,
    "pkd": Pearson,
}


def find_term(kind: str) -> type[DistillationTerm]:
    """The class of a key of `TERMS`, or of your own term as "package.module:Class" or "FILE.py:Class".

    Raises:
        InputError: no such term, or not a `DistillationTerm`.
    """
    if is_reference(kind):
        return load_class(kind, DistillationTerm, "distillation term")  # type: ignore[type-abstract]  # mypy wants classes without abstract methods
    if kind not in TERMS:
        raise unknown("distillation term", kind, TERMS, OWN)
    return TERMS[kind]
