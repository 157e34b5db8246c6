"""Where the time goes: every node of the graph, once."""

from __future__ import annotations

import pytest
from tiny_network import smooth_crops, write_tiny

from efficientfan.benchmark.profile import NodeTime, node_times, operator_shares
from efficientfan.errors import InputError


def test_every_layer_is_timed(tmp_path):
    nodes = node_times(write_tiny(tmp_path / "tiny.onnx"), smooth_crops(2), runs=3)
    names = [node.name for node in nodes]
    assert len(set(names)) == len(names)
    layers = [node.kind for node in nodes if node.kind in ("Conv", "ConvTranspose")]
    assert layers == ["Conv", "Conv", "ConvTranspose", "Conv"]
    assert all(node.ms >= 0 for node in nodes)
    assert list(tmp_path.iterdir()) == [tmp_path / "tiny.onnx"]


def test_kinds_are_summed_and_sorted():
    nodes = [NodeTime("a", "Add", 1.0), NodeTime("b", "Conv", 2.0), NodeTime("c", "Conv", 1.0)]
    shares = operator_shares(nodes)
    assert [(each.kind, each.nodes, each.ms, each.share) for each in shares] == [
        ("Conv", 2, 3.0, 0.75),
        ("Add", 1, 1.0, 0.25),
    ]
    assert operator_shares([]) == []


def test_no_runs_are_refused(tmp_path):
    with pytest.raises(InputError, match="at least 1"):
        node_times(tmp_path / "x.onnx", smooth_crops(1), runs=0)
