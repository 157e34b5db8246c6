"""`FaceDetectorNet`: one face's center, box and five points per cell of a coarse map; no anchors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from efficientfan.codec.centers import BOX_NUMBERS, POINT_NUMBERS, CenterDecoder
from efficientfan.errors import InputError, unknown
from efficientfan.models.encoder import Encoder, Initialization
from efficientfan.models.network import Normalize
from efficientfan.spec import DetectorSpec

__all__ = [
    "CenterMaps",
    "DeployedDetector",
    "DetectorConfig",
    "FaceDetectorNet",
    "TopDownDecoder",
    "build_detector_network",
    "detector_config",
]


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


_RARE = 0.01
"""Share of cells that a fresh network takes for a face's center: nearly none are (Lin et al., ICCV 2017)."""


class CenterMaps(NamedTuple):
    """What a detector network says of N images; `codec.centers` says what the numbers mean.

    Attributes:
        centers: (N, 1, h, w) logits.
        boxes: (N, 4, h, w) box numbers.
        points: (N, 10, h, w) point numbers.
    """

    centers: Tensor
    boxes: Tensor
    points: Tensor


class FaceDetectorNet(nn.Module):
    """Encoder -> top-down decoder -> center logit, box and point numbers per cell (CenterNet, Zhou et al., 2019).

    Attributes:
        stride: image pixels per cell.
        multiple: image sides must be multiples of it.
    """

    def __init__(self, encoder: Encoder, decoder: TopDownDecoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.center = nn.Conv2d(decoder.channels, 1, 1)
        self.box = nn.Conv2d(decoder.channels, BOX_NUMBERS, 1)
        self.points = nn.Conv2d(decoder.channels, POINT_NUMBERS, 1)
        nn.init.constant_(cast(Tensor, self.center.bias), -math.log(1 / _RARE - 1))
        self.stride: int = encoder.strides[0]
        self.multiple: int = encoder.strides[-1]

    def forward(self, images: Tensor) -> CenterMaps:
        """(N, 3, H, W) normalized RGB; H and W are multiples of `multiple`."""
        features = self.decoder(self.encoder(images))
        heads = (self.center, self.box, self.points)
        weight, bias = (torch.cat([getattr(head, name) for head in heads]) for name in ("weight", "bias"))
        # One convolution of 15 channels: engines pad each of three to 16.
        maps = F.conv2d(features, weight, bias)
        return CenterMaps(*torch.split(maps, [1, BOX_NUMBERS, POINT_NUMBERS], dim=1))


class DeployedDetector(nn.Module):
    """From uint8 images to boxes and points: what is exported."""

    def __init__(self, network: FaceDetectorNet, spec: DetectorSpec) -> None:
        super().__init__()
        self.normalize = Normalize(spec.mean, spec.std)
        self.network = network
        self.decoder = CenterDecoder(network.stride)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, H, W, 3) uint8 RGB to boxes (N, cells, 4), scores (N, cells) in [0, 1] and points (N, cells, 10).

        Boxes are xyxy, points x and y of schema "five" in turn, in pixels. Only peaks of the map of centers score above
        zero.
        """
        boxes, scores, points = self.decoder(*self.network(self.normalize(images)))
        return boxes, scores, points


@dataclass(frozen=True)
class DetectorConfig:
    """What a named detector network is made of.

    Attributes:
        encoder: timm's name.
        channels: of `TopDownDecoder`.
        levels: how many of the encoder's last maps are used; the finest gives the cells.
        padding, stem: of the encoder, see `efficientfan.models.encoder.Encoder`.
    """

    encoder: str
    channels: int = 48
    levels: int = 3
    padding: str = ""
    stem: int | None = None


DETECTOR_NETWORKS: Mapping[str, DetectorConfig] = {
    "facefinder": DetectorConfig("mobilenetv4_conv_small_050", channels=32, levels=4, stem=16),
    "facefinder_teacher": DetectorConfig("tf_efficientnet_lite0", channels=64, levels=4),
}


def detector_config(name: str, **overrides: Any) -> DetectorConfig:
    """What the detector network `name` is made of, with single fields replaced.

    Raises:
        InputError: unknown name or field.
    """
    if name not in DETECTOR_NETWORKS:
        raise unknown("detector network", name, DETECTOR_NETWORKS)
    try:
        return replace(DETECTOR_NETWORKS[name], **overrides)
    except TypeError as error:
        raise InputError(f"detector network {name!r}: {error}") from error


def build_detector_network(
    name: str, *, init: Initialization = "scratch", **overrides: Any
) -> FaceDetectorNet:
    """Build a detector network by name.

    Args:
        name: a key of `DETECTOR_NETWORKS`.
        init: how the encoder starts, see `Encoder`.
        overrides: fields of `DetectorConfig` to replace.

    Raises:
        InputError: unknown name or field.
        MissingDependencyError: ImageNet weights were asked for and cannot be had.
    """
    config = detector_config(name, **overrides)
    encoder = Encoder(config.encoder, init, levels=config.levels, padding=config.padding, stem=config.stem)
    return FaceDetectorNet(encoder, TopDownDecoder(encoder.level_channels, config.channels))
