"""Heads: the last decoder map to one heatmap per landmark."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from torch import Tensor, nn

__all__ = ["HEADS", "HeatmapHead", "IntegralHead"]


class HeatmapHead(nn.Module):
    """A 1x1 convolution (MobileFAN, section 3.1)."""

    def __init__(self, in_channels: int, n_landmarks: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, n_landmarks, 1)
        nn.init.normal_(self.conv.weight, std=0.001)
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, H, W) to heatmaps (N, K, H, W)."""
        return cast(Tensor, self.conv(features))


class IntegralHead(nn.Module):
    """1x1 convolution, BN, h-swish, ReLU: the rectified map that EfficientFAN integrates (PAPERS, "head")."""

    def __init__(self, in_channels: int, n_landmarks: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, n_landmarks, 1)
        self.norm = nn.BatchNorm2d(n_landmarks)
        self.rectify = nn.Sequential(nn.Hardswish(), nn.ReLU())

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, H, W) to heatmaps (N, K, H, W), not negative."""
        return cast(Tensor, self.rectify(self.norm(self.conv(features))))


HEADS: Mapping[str, Callable[[int, int], nn.Module]] = {"heatmap": HeatmapHead, "integral": IntegralHead}
