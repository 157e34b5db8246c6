"""The whole way from uint8 crops to landmarks as one module: what is validated, exported and served."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from efficientfan.codec import build_decoder
from efficientfan.models.network import LandmarkNet, Normalize
from efficientfan.spec import ModelSpec

__all__ = ["DeployedNet", "DeployedOutput"]


class DeployedOutput(NamedTuple):
    """What a crop is found to hold, float32; the names are those of `ModelSpec.outputs`.

    Attributes:
        points: (N, K, 2) crop pixels.
        scores: (N, K) in [0, 1].
        visibility: (N, K, 3) probabilities of `VISIBILITY_CLASSES`; None without that head.
    """

    points: Tensor
    scores: Tensor
    visibility: Tensor | None


class DeployedNet(nn.Module):
    """Normalization, network and decoding as the spec says."""

    def __init__(self, network: LandmarkNet, spec: ModelSpec) -> None:
        super().__init__()
        options = dict(spec.decoder)
        self.normalize = Normalize(spec.mean, spec.std)
        self.network = network
        self.decoder = build_decoder(options.pop("name"), spec.stride, **options)

    def forward(self, crops: Tensor) -> DeployedOutput:
        """What (N, S, S, 3) uint8 RGB crops hold."""
        output = self.network(self.normalize(crops))
        points, scores = self.decoder(output.heatmaps)
        visibility = None if output.visibility is None else output.visibility.float().softmax(dim=2)
        return DeployedOutput(points, scores, visibility)
