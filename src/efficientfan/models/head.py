"""Heads: the last decoder map to one heatmap per landmark, and the encoder's map to its visibility."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from torch import Tensor, nn

from efficientfan.structures import VISIBILITY_CLASSES

__all__ = ["HEADS", "HeatmapHead", "IntegralHead", "VisibilityHead"]


def _faint_conv(in_channels: int, out_channels: int) -> nn.Conv2d:
    """A 1x1 convolution that starts near zero, so that no landmark has a say before it has learned one."""
    conv = nn.Conv2d(in_channels, out_channels, 1)
    nn.init.normal_(conv.weight, std=0.001)
    nn.init.zeros_(cast(Tensor, conv.bias))
    return conv


class HeatmapHead(nn.Module):
    """A 1x1 convolution (MobileFAN, section 3.1)."""

    def __init__(self, in_channels: int, n_landmarks: int) -> None:
        super().__init__()
        self.conv = _faint_conv(in_channels, n_landmarks)

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


class VisibilityHead(nn.Module):
    """Visible, covered or turned away, from the encoder's map: coarse, but it has seen the whole face.

    A 1x1 convolution gives each landmark three logits in every cell, and how much to look there: its own
    logits are their mean by the softmax of the latter (attention pooling, Ilse et al., ICML 2018). On purpose
    not read at the landmark's peak: a landmark that is turned away has none.
    """

    def __init__(self, in_channels: int, n_landmarks: int) -> None:
        super().__init__()
        self.n_landmarks = n_landmarks
        self.conv = _faint_conv(in_channels, n_landmarks * (1 + len(VISIBILITY_CLASSES)))

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, h, w) to logits (N, K, 3) of `VISIBILITY_CLASSES`."""
        maps = cast(Tensor, self.conv(features))
        per_landmark = 1 + len(VISIBILITY_CLASSES)
        cells = maps.reshape(maps.shape[0], self.n_landmarks, per_landmark, -1)  # (N, K, 4, h*w)
        attention = cells[:, :, :1].softmax(dim=3)
        return (attention * cells[:, :, 1:]).sum(dim=3)


HEADS: Mapping[str, Callable[[int, int], nn.Module]] = {"heatmap": HeatmapHead, "integral": IntegralHead}
