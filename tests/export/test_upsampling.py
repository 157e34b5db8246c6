"""Transposed convolutions as plain ones: the same numbers."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from tiny_network import LAYERS, smooth_crops, tiny_network

from efficientfan.export.upsampling import split_upsampling


def graph(kernel: int, *, bias: bool = True, height: int | str = 3, **options) -> onnx.ModelProto:
    """One transposed convolution of 5 to 6 channels on maps of 3 x 4."""
    rng = np.random.default_rng(0)
    settings = {"strides": [2, 2], "pads": [(kernel - 2) // 2] * 4, **options}
    groups = settings.get("group", 1)
    arrays = {"weight": rng.normal(0, 1, (5 if groups == 1 else 6, 6 // groups, kernel, kernel))}
    if bias:
        arrays["bias"] = rng.normal(0, 1, 6)
    node = helper.make_node("ConvTranspose", ["maps", *arrays], ["out"], name="up", **settings)
    value = helper.make_tensor_value_info
    made = helper.make_graph(
        [node],
        "g",
        [value("maps", TensorProto.FLOAT, ["n", arrays["weight"].shape[0], height, 4])],
        [value("out", TensorProto.FLOAT, ["n", 6, None, None])],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in arrays.items()],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def run(model: onnx.ModelProto, **inputs: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, inputs)[0])


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kernel", [2, 4])
def test_the_numbers_are_the_same(kernel, bias):
    model = graph(kernel, bias=bias)
    before = model.SerializeToString()
    split = split_upsampling(model)
    onnx.checker.check_model(split)
    maps = np.random.default_rng(1).normal(0, 1, (2, 5, 3, 4)).astype(np.float32)
    np.testing.assert_allclose(run(split, maps=maps), run(model, maps=maps), rtol=1e-5, atol=1e-5)
    assert {node.op_type for node in split.graph.node} == {"Conv", "Transpose", "Reshape"}
    assert split.graph.node[0].name == "up"
    assert "weight" not in [tensor.name for tensor in split.graph.initializer]
    assert model.SerializeToString() == before


@pytest.mark.parametrize(
    "model",
    [
        graph(2, group=2),
        graph(2, strides=[1, 1]),
        graph(4, pads=[0, 0, 0, 0]),
        graph(2, output_padding=[1, 1]),
        graph(3),
        graph(2, height="h"),
    ],
    ids=["groups", "stride", "padding", "output padding", "kernel", "unknown side"],
)
def test_others_stay(model):
    assert [node.op_type for node in split_upsampling(model).graph.node] == ["ConvTranspose"]


def test_a_whole_network_says_what_it_said():
    model = tiny_network()
    split = split_upsampling(model)
    assert [node.name for node in split.graph.node if node.op_type == "Conv"] == LAYERS
    (up,) = (node for node in split.graph.node if node.name == "up")
    assert [node.name for node in split.graph.node if up.output[0] in node.input] == ["up_relu"]
    crops = smooth_crops(3)
    np.testing.assert_allclose(run(split, crops=crops), run(model, crops=crops), atol=1e-3)
