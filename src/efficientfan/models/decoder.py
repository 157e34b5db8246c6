"""The decoder: stages that double the resolution by transposed convolution (Xiao et al., ECCV 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn

from efficientfan.errors import InputError

__all__ = ["UpsamplingDecoder"]


class UpsamplingDecoder(nn.Module):
    """Transposed convolutions of stride 2, without bias, each with BN and ReLU (MobileFAN, section 3.1).

    Args:
        in_channels: channels of the encoder's map.
        channels: channels of every stage.
        kernel: 2 (no overlap, the light form) or 4.
        stages: number of doublings.
        laterals: channels of a finer encoder map for each stage, coarse to fine; none by default. A 1x1 convolution
            with BN adds it to the stage's map before the ReLU (Lin et al., CVPR 2017): a 2x2 transposed convolution
            sees one cell alone, the encoder's own map knows what lies around.
        mixing: whether each stage ends with a depthwise 3x3 convolution, BN and ReLU, which lets neighboring cells
            of the finer map interact; with the next stage's kernel it is a separable convolution.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        kernel: int,
        stages: int = 3,
        laterals: Sequence[int] = (),
        mixing: bool = False,
    ) -> None:
        super().__init__()
        if kernel not in (2, 4):
            raise InputError(f"a decoder's kernel is 2 or 4, not {kernel}")
        if stages < 1 or channels < 1:
            raise InputError(f"a decoder needs at least one stage and channel, not {stages} and {channels}")
        if laterals and len(laterals) != stages:
            raise InputError(f"a decoder of {stages} stages takes as many lateral maps, not {len(laterals)}")
        self.channels = channels
        self.stages = nn.ModuleList(
            nn.Sequential(
                nn.ConvTranspose2d(
                    in_channels if stage == 0 else channels,
                    channels,
                    kernel,
                    2,
                    padding=(kernel - 2) // 2,
                    bias=False,
                ),
                nn.BatchNorm2d(channels),
                nn.ReLU(inplace=False),  # distillation keeps every stage's output
            )
            for stage in range(stages)
        )
        self.laterals = nn.ModuleList(
            nn.Sequential(nn.Conv2d(lateral, channels, 1, bias=False), nn.BatchNorm2d(channels))
            for lateral in laterals
        )
        self.mixers = nn.ModuleList(_mixer(channels) for _ in range(stages if mixing else 0))

    def forward(self, features: Tensor, finer: Sequence[Tensor] = ()) -> tuple[Tensor, ...]:
        """(N, C, h, w) to one map per stage: (N, channels, 2h, 2w), (N, channels, 4h, 4w), ...

        `finer` are the encoder's maps for `laterals`, coarse to fine.
        """
        maps: list[Tensor] = []
        for index, stage in enumerate(self.stages):
            upsample, norm, rectify = cast(nn.Sequential, stage)
            features = norm(upsample(features))
            if self.laterals:
                features = features + self.laterals[index](finer[index])
            features = cast(Tensor, rectify(features))
            if self.mixers:
                features = cast(Tensor, self.mixers[index](features))
            maps.append(features)
        return tuple(maps)


def _mixer(channels: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=False),
    )
