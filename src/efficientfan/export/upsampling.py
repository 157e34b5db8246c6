"""Transposed convolutions of stride 2 as plain convolutions, which every quantizer and engine has in int8.

A 2x2 kernel makes four cells of each cell, on its own: that is a 1x1 convolution to four times the channels, whose
cells are then laid side by side. A 4x4 kernel looks at 3 x 3 cells for its four, with nine weights of which four are
not zero. Both are exact. Needs `onnx`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

__all__ = ["split_upsampling"]

Array = NDArray[Any]

_PADS = {2: [0, 0, 0, 0], 4: [1, 1, 1, 1]}
"""Kernel -> padding with which the map doubles its sides exactly."""


def split_upsampling(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy in which a convolution and a rearrangement stand for each transposed convolution that doubles a map.

    The convolution keeps the name. The cells are laid out by Transpose and Reshape with the channels last, as the
    engines hold int8 maps: a copy of whole runs of channels, where `DepthToSpace` would first turn the map around in
    ONNX Runtime. Transposed convolutions of another kind, or on maps of unknown size, stay as they are.

    Args:
        model: a graph whose maps have known sides; the batch may be free.
    """
    split = onnx.ModelProto()
    split.CopyFrom(model)
    graph = split.graph
    constants = {each.name: each for each in graph.initializer}
    sides = _sides(model)
    nodes: list[onnx.NodeProto] = []
    rectified: set[str] = set()
    for node in graph.node:
        if node.name in rectified:
            continue
        weight = constants.get(node.input[1]) if node.op_type == "ConvTranspose" else None
        side = sides.get(node.input[0]) if weight is not None and _doubles(node, list(weight.dims)) else None
        if weight is None or side is None:
            nodes.append(node)
            continue
        weights = [numpy_helper.to_array(constants[name]) for name in node.input[1:]]
        kernel = _split_kernel(weights[0])
        bias = np.tile(weights[1], 4) if len(weights) > 1 else np.zeros(len(kernel), np.float32)
        readers = [each for each in graph.node if node.output[0] in each.input]
        rectify = readers[0] if len(readers) == 1 and readers[0].op_type in ("Relu", "Clip") else None
        if rectify is not None:
            rectified.add(rectify.name)
        nodes += _nodes(node, rectify, kernel, bias, side, graph)
    del graph.node[:]
    graph.node.extend(nodes)
    used = {name for node in graph.node for name in node.input}
    for initializer in [each for each in graph.initializer if each.name not in used]:
        graph.initializer.remove(initializer)
    return split


def _sides(model: onnx.ModelProto) -> dict[str, tuple[int, int]]:
    """Height and width of every map whose sides are known."""
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    found = {}
    for each in (*graph.input, *graph.value_info):
        shape = [axis.dim_value for axis in each.type.tensor_type.shape.dim]
        if len(shape) == 4 and all(shape[2:]):
            found[each.name] = (shape[2], shape[3])
    return found


def _doubles(node: onnx.NodeProto, shape: list[int]) -> bool:
    """Whether a transposed convolution of a weight of this shape doubles the sides of its map exactly."""
    given: Mapping[str, Any] = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    kernel = shape[2]
    return (
        shape[2:] in ([2, 2], [4, 4])
        and list(given.get("strides", [])) == [2, 2]
        and list(given.get("pads", [0, 0, 0, 0])) == _PADS[kernel]
        and list(given.get("output_padding", [0, 0])) == [0, 0]
        and list(given.get("dilations", [1, 1])) == [1, 1]
        and given.get("group", 1) == 1
        and given.get("auto_pad", b"NOTSET") == b"NOTSET"
        and "output_shape" not in given
    )


def _split_kernel(weight: Array) -> Array:
    """(in, out, k, k) of a transposed convolution to (4 out, in, 1, 1) or (4 out, in, 3, 3): row, column, channel."""
    inputs, outputs, size, _ = weight.shape
    if size == 2:
        return np.ascontiguousarray(weight.transpose(2, 3, 1, 0).reshape(4 * outputs, inputs, 1, 1))
    # Cell 2i of a row is made of cells i - 1 and i through taps 3 and 1, cell 2i + 1 of i and i + 1 through 2 and 0.
    taps = (((0, 3), (1, 1)), ((1, 2), (2, 0)))
    kernel = np.zeros((2, 2, outputs, inputs, 3, 3), weight.dtype)
    for row in range(2):
        for column in range(2):
            for y, tap_y in taps[row]:
                for x, tap_x in taps[column]:
                    kernel[row, column, :, :, y, x] = weight[:, :, tap_y, tap_x].T
    return kernel.reshape(4 * outputs, inputs, 3, 3)


def _nodes(
    node: onnx.NodeProto,
    rectify: onnx.NodeProto | None,
    kernel: Array,
    bias: Array,
    side: tuple[int, int],
    graph: onnx.GraphProto,
) -> list[onnx.NodeProto]:
    """Convolution, the activation that reads it alone (quantizers merge the two), and the rearrangement."""
    name, (height, width), channels = node.name, side, len(kernel) // 4
    constants = {
        f"{name}.split_weight": kernel,
        f"{name}.split_bias": bias,
        f"{name}.blocks": np.array([-1, height, width, 2, 2 * channels]),
        f"{name}.cells": np.array([-1, 2 * height, 2 * width, channels]),
    }
    graph.initializer.extend(numpy_helper.from_array(array, key) for key, array in constants.items())
    split, last, block, rows, laid = (f"{name}.{step}" for step in ("split", "last", "block", "rows", "laid"))
    pad = kernel.shape[2] // 2
    make = helper.make_node
    convolution = make(
        "Conv",
        [node.input[0], f"{name}.split_weight", f"{name}.split_bias"],
        [split],
        name=name,
        kernel_shape=kernel.shape[2:],
        pads=[pad] * 4,
    )
    nodes, target = [convolution], node.output[0]
    if rectify is not None:
        moved = onnx.NodeProto()
        moved.CopyFrom(rectify)
        target = rectify.output[0]
        moved.input[0], moved.output[0] = split, f"{name}.rectified"
        nodes.append(moved)
    return [
        *nodes,
        make("Transpose", [nodes[-1].output[0]], [last], name=last, perm=[0, 2, 3, 1]),
        make("Reshape", [last, f"{name}.blocks"], [block], name=block),  # (N, H, W, 2, 2 C)
        make("Transpose", [block], [rows], name=rows, perm=[0, 1, 3, 2, 4]),
        make("Reshape", [rows, f"{name}.cells"], [laid], name=laid),  # (N, 2 H, 2 W, C)
        make("Transpose", [laid], [target], name=f"{name}.first", perm=[0, 3, 1, 2]),
    ]
