"""Normalization folded into the first convolution: the same numbers, and nearly the same at the border."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from efficientfan.errors import InputError
from efficientfan.export.fold_input import fold_normalization


def graph(*, bias: bool, normalized: bool = True) -> onnx.ModelProto:
    """uint8 pixels, normalized by channel, through one 3x3 convolution that pads with zeros."""
    rng = np.random.default_rng(0)
    arrays = {
        "scale": rng.uniform(0.01, 0.02, (3, 1, 1)),
        "offset": rng.uniform(-2, -1, (3, 1, 1)),
        "weight": rng.normal(0, 1, (4, 3, 3, 3)),
        **({"bias": rng.normal(0, 1, 4)} if bias else {}),
    }
    nodes = [
        helper.make_node("Transpose", ["crops"], ["turned"], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["turned"], ["floats"], to=TensorProto.FLOAT),
    ]
    if normalized:
        nodes += [
            helper.make_node("Mul", ["floats", "scale"], ["scaled"]),
            helper.make_node("Add", ["scaled", "offset"], ["normal"]),
        ]
    inputs = ["normal" if normalized else "floats", "weight", *(["bias"] if bias else [])]
    nodes.append(helper.make_node("Conv", inputs, ["out"], pads=[1, 1, 1, 1]))
    made = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("crops", TensorProto.UINT8, ["n", 8, 8, 3])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n", 4, 8, 8])],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in arrays.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model


def run(model: onnx.ModelProto, crops: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"crops": crops})[0])


@pytest.mark.parametrize("bias", [True, False])
def test_the_inside_is_the_same(bias: bool) -> None:
    model = graph(bias=bias)
    folded = fold_normalization(model)
    crops = np.random.default_rng(1).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    expected, found = run(model, crops), run(folded, crops)
    np.testing.assert_allclose(found[:, :, 1:-1, 1:-1], expected[:, :, 1:-1, 1:-1], rtol=1e-4, atol=1e-4)
    assert [node.op_type for node in folded.graph.node] == ["Transpose", "Pad", "Cast", "Conv"]
    assert len(folded.graph.initializer) == 4


def test_the_border_is_padded_with_the_mean_color() -> None:
    """The same where the channels have one mean that is a whole number."""
    model = graph(bias=True)
    for name, value in (("scale", 1 / 64), ("offset", -99 / 64)):
        tensor = next(each for each in model.graph.initializer if each.name == name)
        tensor.CopyFrom(numpy_helper.from_array(np.full((3, 1, 1), value, np.float32), name))
    crops = np.random.default_rng(1).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    np.testing.assert_allclose(run(fold_normalization(model), crops), run(model, crops), rtol=1e-4, atol=1e-4)


def test_no_border_no_padding() -> None:
    model = graph(bias=True)
    del next(node for node in model.graph.node if node.op_type == "Conv").attribute[:]
    for axis in model.graph.output[0].type.tensor_type.shape.dim[2:]:
        axis.dim_value = 6
    assert [node.op_type for node in fold_normalization(model).graph.node] == ["Transpose", "Cast", "Conv"]


def test_the_given_graph_stays_as_it_is() -> None:
    model = graph(bias=True)
    before = model.SerializeToString()
    fold_normalization(model)
    assert model.SerializeToString() == before


def test_a_graph_that_begins_otherwise_is_refused() -> None:
    with pytest.raises(InputError, match="export it anew"):
        fold_normalization(graph(bias=True, normalized=False))
