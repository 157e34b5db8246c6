"""uint8 crops to what the encoder takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

__all__ = ["Normalise"]


class Normalise(nn.Module):
    """(N, S, S, 3) uint8 RGB to (N, 3, S, S) float32, (value / 255 - mean) / std. In training and in the export."""

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        mean_rgb, std_rgb = (
            torch.tensor(values, dtype=torch.float32).view(3, 1, 1) for values in (mean, std)
        )
        self.register_buffer("scale", 1 / (255 * std_rgb), persistent=False)
        self.register_buffer("offset", -mean_rgb / std_rgb, persistent=False)

    def forward(self, crops: Tensor) -> Tensor:
        """The view stays channels-last in memory, which is what the convolutions like.

        Turned while still bytes: exported, arithmetic along an axis of three would cost a tenth of the network.
        """
        scale, offset = cast(Tensor, self.scale), cast(Tensor, self.offset)
        return crops.permute(0, 3, 1, 2).float() * scale + offset
