"""`LandmarkNet`: encoder -> decoder -> head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

from efficientfan.models.decoder import UpsamplingDecoder
from efficientfan.models.encoder import Encoder
from efficientfan.models.head import VisibilityHead

NetworkT = TypeVar("NetworkT", bound=nn.Module)

__all__ = ["LandmarkNet", "NetworkOutput", "channels_last"]


@dataclass(frozen=True)
class NetworkOutput:
    """What one pass gives.

    Attributes:
        heatmaps: (N, K, H, W).
        features: the encoder's map, then each decoder stage's, coarse to fine: what distillation compares.
        visibility: (N, K, 3) logits of `VISIBILITY_CLASSES`; None without that head.
    """

    heatmaps: Tensor
    features: tuple[Tensor, ...]
    visibility: Tensor | None = None


class LandmarkNet(nn.Module):
    """Heatmaps of K landmarks from face crops, and their visibility if it has a head for that.

    Attributes:
        stride: input pixels per heatmap cell.
        feature_channels: channels of each map in `NetworkOutput.features`.
    """

    def __init__(
        self,
        encoder: Encoder,
        decoder: UpsamplingDecoder,
        head: nn.Module,
        visibility: VisibilityHead | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.head = head
        self.visibility = visibility
        self.stride = encoder.stride // 2 ** len(decoder.stages)
        self.feature_channels = (encoder.channels, *([decoder.channels] * len(decoder.stages)))

    def forward(self, images: Tensor) -> NetworkOutput:
        """(N, 3, S, S) normalised RGB; S is a multiple of the encoder's stride."""
        *finer, features = self.encoder(images)
        maps = self.decoder(features, finer[::-1])
        return NetworkOutput(
            heatmaps=self.head(maps[-1]),
            features=(features, *maps),
            visibility=None if self.visibility is None else self.visibility(features),
        )


def channels_last(network: NetworkT) -> NetworkT:
    """The network with its weights laid out as the crops are, channels last: convolutions run faster so."""
    laid_out = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch types it with a dtype only
    return cast(NetworkT, laid_out)
