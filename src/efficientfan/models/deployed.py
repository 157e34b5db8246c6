"""The whole way from uint8 crops to landmarks as one module: what is validated, exported and served."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from efficientfan.codec import build_decoder
from efficientfan.models.network import LandmarkNet
from efficientfan.models.preprocess import Normalise
from efficientfan.spec import ModelSpec

__all__ = ["DeployedNet"]


class DeployedNet(nn.Module):
    """Normalisation, network and decoding as the spec says."""

    def __init__(self, network: LandmarkNet, spec: ModelSpec) -> None:
        super().__init__()
        options = dict(spec.decoder)
        self.normalise = Normalise(spec.mean, spec.std)
        self.network = network
        self.decoder = build_decoder(options.pop("name"), spec.stride, **options)

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """(N, S, S, 3) uint8 RGB to points (N, K, 2), crop pixels, and scores (N, K) in [0, 1], float32."""
        return cast("tuple[Tensor, Tensor]", self.decoder(self.network(self.normalise(crops)).heatmaps))
