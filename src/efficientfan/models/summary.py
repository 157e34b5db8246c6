"""Size and cost of a network: parameters and multiply-accumulates."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

__all__ = ["NetworkSummary", "summarise"]


@dataclass(frozen=True)
class NetworkSummary:
    """Parameters, and multiply-accumulates of one forward pass on one image."""

    parameters: int
    macs: int


def summarise(network: nn.Module, input_size: int = 256) -> NetworkSummary:
    """Count a network at one (1, 3, input_size, input_size) image; convolutions and matrix products count."""
    was_training = network.training
    network.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, input_size, input_size))
    network.train(was_training)
    return NetworkSummary(sum(p.numel() for p in network.parameters()), counter.get_total_flops() // 2)
