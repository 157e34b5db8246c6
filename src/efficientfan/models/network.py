"""`LandmarkNet`: encoder -> decoder -> head, what is done to its input, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from efficientfan.models.decoder import UpsamplingDecoder
from efficientfan.models.encoder import Encoder
from efficientfan.models.head import VisibilityHead

__all__ = ["LandmarkNet", "NetworkOutput", "NetworkSummary", "Normalize", "channels_last", "summarize"]

NetworkT = TypeVar("NetworkT", bound=nn.Module)


class Normalize(nn.Module):
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
        """(N, 3, S, S) normalized RGB; S is a multiple of the encoder's stride."""
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


@dataclass(frozen=True)
class NetworkSummary:
    """Parameters, and multiply-accumulates of one forward pass on one image."""

    parameters: int
    macs: int


def summarize(network: nn.Module, input_size: int = 256) -> NetworkSummary:
    """Count a network at one (1, 3, input_size, input_size) image; convolutions and matrix products count."""
    was_training = network.training
    network.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, input_size, input_size))
    network.train(was_training)
    return NetworkSummary(sum(p.numel() for p in network.parameters()), counter.get_total_flops() // 2)
