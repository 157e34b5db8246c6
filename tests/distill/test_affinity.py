"""FS and PS at 64 x 64: exact, and no tensor beyond the size of the maps that are compared."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from efficientfan.distill import TERMS, Channels
from efficientfan.distill.affinity import affinity_distance
from efficientfan.losses import Batch
from efficientfan.models import NetworkOutput


class LargestTensor(TorchDispatchMode):
    """Remembers the largest output of any operation, forward and backward."""

    def __init__(self) -> None:
        super().__init__()
        self.numel = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        self.numel = max([self.numel, *(t.numel() for t in tree_leaves(result) if isinstance(t, Tensor))])
        return result


@pytest.mark.parametrize("kind", ["fs", "ps"])
def test_no_intermediate_is_larger_than_the_larger_map(kind):
    sides = {
        "encoder": (320, 640, 8),
        "stage1": (128, 256, 16),
        "stage2": (128, 256, 32),
        "stage3": (128, 256, 64),
    }
    s = tuple(torch.rand(1, c, side, side, requires_grad=True) for c, _, side in sides.values())
    t = tuple(torch.rand(1, c, side, side) for _, c, side in sides.values())
    channels = Channels({k: v[0] for k, v in sides.items()}, {k: v[1] for k, v in sides.items()})
    heatmaps = torch.zeros(1, 1, 64, 64)
    batch = Batch(torch.zeros(1), torch.zeros(1), torch.ones(1, 1))
    loss = TERMS[kind](channels, list(sides))
    with LargestTensor() as largest:
        loss(NetworkOutput(heatmaps, s), NetworkOutput(heatmaps, t), batch).backward()
    assert (
        largest.numel == 256 * 64 * 64
    )  # the teacher's map at 64 x 64; all affinities would be 16 times that
    assert all(maps.grad is not None for maps in s)


def test_float32_keeps_seven_decimals_at_full_size():
    torch.manual_seed(0)
    s = torch.randn(1, 128, 64, 64).relu()
    t = torch.cat([s, (s + 0.1 * torch.randn_like(s)).relu()], dim=1)
    exact = affinity_distance(s.double(), t.double()).item()
    assert exact > 1e-4
    assert affinity_distance(s, t).item() == pytest.approx(exact, abs=1e-7)
