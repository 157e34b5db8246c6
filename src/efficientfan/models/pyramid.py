"""The detector's decoder: coarse maps, which have seen everything, handed down to the fine one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["TopDownDecoder"]


class TopDownDecoder(nn.Module):
    """A feature pyramid (Lin et al., CVPR 2017) of which the finest map alone is kept.

    Each level is brought to `channels` by a 1x1 convolution, added to the doubled map from above, and smoothed by
    a depthwise 5x5 and a 1x1 convolution with BN and ReLU.

    Args:
        in_channels: channels of the encoder's maps, fine to coarse; each is twice as fine as the next.
        channels: channels of every level.
    """

    def __init__(self, in_channels: Sequence[int], channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.lateral = nn.ModuleList(nn.Conv2d(each, channels, 1) for each in in_channels)
        self.smooth = nn.ModuleList(_separable(channels) for _ in in_channels)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Maps (N, C_i, h_i, w_i), fine to coarse, to (N, channels, h_0, w_0)."""
        levels = [cast(Tensor, lateral(each)) for lateral, each in zip(self.lateral, maps, strict=True)]
        merged = cast(Tensor, self.smooth[-1](levels[-1]))
        for level, smooth in zip(levels[-2::-1], list(self.smooth)[-2::-1], strict=True):
            merged = smooth(level + F.interpolate(merged, scale_factor=2.0, mode="nearest"))
        return merged


def _separable(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, channels, 5, padding=2, groups=channels, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
    )
