"""The normalization of the pixels, moved into the first convolution, so that this takes the bytes as they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from efficientfan.errors import InputError

__all__ = ["fold_normalization", "pixel_tensor", "take_bytes"]


def fold_normalization(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose first convolution works on values from 0 to 255.

    pixel * a + b before a convolution of weights w is a convolution of weights w a, with the sum of w b added to
    its bias. The zeros that the convolution pads with meant the mean color, so that the copy pads the bytes first, with
    the gray that is nearest to it: only at the border of the picture does it differ, and there little.

    Args:
        model: a graph that begins with Transpose, Cast, Mul, Add, Conv, as `efficientfan export` writes it.

    Raises:
        InputError: it begins otherwise.
    """
    folded = onnx.ModelProto()
    folded.CopyFrom(model)
    graph = folded.graph
    constants = {each.name: each for each in graph.initializer}
    convolution = next((node for node in graph.node if node.op_type == "Conv"), None)
    add = _producer(graph, convolution, "Add")
    multiply = _producer(graph, add, "Mul")
    cast = _producer(graph, multiply, "Cast")
    if convolution is None or add is None or multiply is None or cast is None:
        raise InputError(
            "the graph does not begin with the normalization of `efficientfan export`; export it anew"
        )
    scale, offset = (
        next(numpy_helper.to_array(constants[name]) for name in node.input if name in constants).reshape(-1)
        for node in (multiply, add)
    )
    weight = numpy_helper.to_array(constants[convolution.input[1]]).astype(np.float64)
    bias = np.zeros(len(weight))
    if len(convolution.input) > 2:
        bias = numpy_helper.to_array(constants[convolution.input[2]]).astype(np.float64)
    bias = bias + (weight * offset.reshape(1, -1, 1, 1)).sum(axis=(1, 2, 3))
    new = {
        "pixel_weight": weight * scale.reshape(1, -1, 1, 1),
        "pixel_bias": bias,
    }
    graph.initializer.extend(
        numpy_helper.from_array(array.astype(np.float32), name) for name, array in new.items()
    )
    convolution.input[:] = [cast.output[0], *new]
    _pad_bytes(graph, cast, convolution, gray=float((-offset / scale).mean()))
    for node in (multiply, add):
        graph.node.remove(node)
    used = {name for node in graph.node for name in node.input}
    for initializer in [each for each in graph.initializer if each.name not in used]:
        graph.initializer.remove(initializer)
    return folded


def _pad_bytes(
    graph: onnx.GraphProto, cast: onnx.NodeProto, convolution: onnx.NodeProto, gray: float
) -> None:
    """Pad the bytes before `cast` instead of the floats in the first convolution."""
    pads: Any = next((each.ints for each in convolution.attribute if each.name == "pads"), [])
    if not any(pads):
        return
    top, left, bottom, right = pads
    color = np.array(np.clip(round(gray), 0, 255), np.uint8)
    border = np.array([0, 0, top, left, 0, 0, bottom, right])
    graph.initializer.extend(
        [numpy_helper.from_array(border, "border"), numpy_helper.from_array(color, "border_color")]
    )
    node = helper.make_node("Pad", [cast.input[0], "border", "border_color"], ["bordered"], name="pad_border")
    graph.node.insert(list(graph.node).index(cast), node)
    cast.input[0] = "bordered"
    pads[:] = [0, 0, 0, 0]
    del graph.value_info[:]  # it has the former size of the maps


def pixel_tensor(model: onnx.ModelProto) -> str:
    """Name of the tensor that the first convolution of a folded graph takes: the pixels, 0 to 255."""
    return str(next(node.input[0] for node in model.graph.node if node.op_type == "Conv"))


def take_bytes(quantized: onnx.ModelProto) -> onnx.ModelProto:
    """A quantized graph whose first convolution takes the bytes as they are, not turned to float and back.

    It comes back as it is where nothing turns the bytes, or where the rounding would change them.
    """
    graph = quantized.graph
    constants = {each.name: each for each in graph.initializer}
    for cast in [node for node in graph.node if node.op_type == "Cast"]:
        readers = [node for node in graph.node if cast.output[0] in node.input]
        if [node.op_type for node in readers] != ["QuantizeLinear"]:
            continue
        (rounding,) = readers
        scale, zero = (numpy_helper.to_array(constants[name]) for name in rounding.input[1:])
        if scale == 1 and zero == 0 and zero.dtype == np.uint8:
            for node in graph.node:
                node.input[:] = [cast.input[0] if name == rounding.output[0] else name for name in node.input]
            graph.node.remove(cast)
            graph.node.remove(rounding)
    return quantized


def _producer(graph: onnx.GraphProto, node: onnx.NodeProto | None, kind: str) -> onnx.NodeProto | None:
    """The node of a kind that one of the inputs of `node` comes from."""
    if node is None:
        return None
    return next(
        (each for each in graph.node if each.op_type == kind and set(each.output) & set(node.input)), None
    )
