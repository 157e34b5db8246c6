"""Counted operations against hand counts and against torch's own counter."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from efficientfan.benchmark.macs import count_macs, graph_macs
from efficientfan.errors import InputError
from efficientfan.models.deployed import DeployedNet
from efficientfan.models.zoo import build_network
from efficientfan.predict.backends import open_backend
from efficientfan.weights import find_model


def model(nodes, weights, shape=("faces", 8, 16, 16), kind=TensorProto.FLOAT):
    """A graph from `x` through `nodes` to `y`."""
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def torch_macs(layer: nn.Module, *shape: int) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        layer(torch.zeros(*shape))
    return counter.get_total_flops() // 2


@pytest.mark.parametrize(
    ("groups", "stride", "kernel", "dilation"), [(1, 1, 1, 1), (1, 2, 3, 1), (8, 1, 3, 2), (2, 2, 5, 1)]
)
def test_convolutions(groups, stride, kernel, dilation):
    layer = nn.Conv2d(8, 24, kernel, stride, kernel // 2, dilation, groups)
    node = helper.make_node(
        "Conv",
        ["x", "w"],
        ["y"],
        strides=[stride] * 2,
        pads=[kernel // 2] * 4,
        dilations=[dilation] * 2,
        group=groups,
    )
    counted = graph_macs(model([node], {"w": layer.weight.detach().numpy()}))
    assert counted == torch_macs(layer, 1, 8, 16, 16) > 0


@pytest.mark.parametrize("groups", [1, 4])
def test_transposed_convolutions(groups):
    layer = nn.ConvTranspose2d(8, 12, 4, 2, 1, groups=groups)
    node = helper.make_node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2], pads=[1] * 4, group=groups)
    counted = graph_macs(model([node], {"w": layer.weight.detach().numpy()}))
    assert counted == 8 * 16 * 16 * (12 // groups) * 16
    assert counted == torch_macs(layer, 1, 8, 16, 16)


def test_products():
    right = np.zeros((16, 5), np.float32)
    assert graph_macs(model([helper.make_node("MatMul", ["x", "w"], ["y"])], {"w": right})) == 8 * 16 * 16 * 5
    for transposed in (0, 1):
        left = np.zeros((6, 16) if transposed == 0 else (16, 6), np.float32)
        gemm = helper.make_node("Gemm", ["a", "w"], ["y"], transA=transposed)
        assert graph_macs(model([gemm], {"a": left, "w": right})) == 6 * 16 * 5


def test_quantized_weights_count_as_their_float_ones():
    nodes = [
        helper.make_node("DequantizeLinear", ["q", "scale"], ["w"]),
        helper.make_node("Conv", ["x", "w"], ["y"]),
    ]
    weights = {"q": np.zeros((4, 8, 1, 1), np.int8), "scale": np.array(0.1, np.float32)}
    assert graph_macs(model(nodes, weights)) == 4 * 8 * 16 * 16


def test_a_packaged_model_against_torch():
    path = find_model("default")
    spec = open_backend(path).spec
    network = build_network(**spec.network, n_landmarks=spec.schema.n_landmarks)
    side = spec.input_size
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        DeployedNet(network, spec).eval()(torch.zeros(1, side, side, 3, dtype=torch.uint8))
    # torch's counter knows no product of matrix and vector: the soft-argmax's, by x and by y
    ramps = 2 * spec.schema.n_landmarks * spec.heatmap_size
    assert count_macs(path) == counter.get_total_flops() // 2 + ramps


def test_a_shape_that_nobody_can_tell(tmp_path):
    node = helper.make_node("Conv", ["x", "w"], ["y"], name="stem")
    graph = model([node], {"w": np.zeros((4, 8, 1, 1), np.float32)}, ("faces", 8, "height", "width"))
    onnx.save(graph, tmp_path / "free.onnx")
    with pytest.raises(InputError, match=r"free.onnx: Conv 'stem' has an unknown shape"):
        count_macs(tmp_path / "free.onnx")
    (tmp_path / "junk.onnx").write_bytes(b"junk")
    with pytest.raises(InputError, match=r"junk\.onnx"):
        count_macs(tmp_path / "junk.onnx")
