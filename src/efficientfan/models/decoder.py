"""The decoder: stages that double the resolution by transposed convolution (Xiao et al., ECCV 2018)."""

from __future__ import annotations

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
    """

    def __init__(self, in_channels: int, channels: int, kernel: int, stages: int = 3) -> None:
        super().__init__()
        if kernel not in (2, 4):
            raise InputError(f"a decoder's kernel is 2 or 4, not {kernel}")
        if stages < 1 or channels < 1:
            raise InputError(f"a decoder needs at least one stage and channel, not {stages} and {channels}")
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

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        """(N, C, h, w) to one map per stage: (N, channels, 2h, 2w), (N, channels, 4h, 4w), ..."""
        maps: list[Tensor] = []
        for stage in self.stages:
            features = cast(Tensor, stage(features))
            maps.append(features)
        return tuple(maps)
