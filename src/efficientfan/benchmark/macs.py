"""Multiply-accumulates of an exported graph, counted from its shapes (needs the `onnx` package)."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from efficientfan.errors import InputError, MissingDependencyError

if TYPE_CHECKING:
    import onnx

__all__ = ["count_macs", "graph_macs"]

_WEIGHT = {
    "Conv": 1,
    "ConvInteger": 1,
    "ConvTranspose": 1,
    "QLinearConv": 3,
    "MatMul": 1,
    "MatMulInteger": 1,
    "QLinearMatMul": 3,
    "Gemm": 1,
}
"""Operators that count, and which of their inputs is the weight (or right factor)."""


def count_macs(path: str | Path) -> int:
    """Multiply-accumulates of one image through an `.onnx` file, as `graph_macs` counts them.

    Raises:
        MissingDependencyError: the `onnx` package is not installed.
        InputError: unreadable, or a shape in the graph is unknown.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingDependencyError("counting operations needs onnx: pip install onnx") from error
    try:
        return graph_macs(onnx.load(str(path)))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except Exception as error:  # onnx raises protobuf's, its checker's and shape inference's own
        raise InputError(f"{path}: its operations cannot be counted ({error})") from error


def graph_macs(model: onnx.ModelProto) -> int:
    """Multiply-accumulates of convolutions, transposed convolutions and matrix products, for a batch of one.

    Raises:
        InputError: a shape in the graph is unknown.
    """
    shapes = _shapes(model)
    return sum(_macs(node, shapes) for node in model.graph.node if node.op_type in _WEIGHT)


def _shapes(model: onnx.ModelProto) -> dict[str, list[int]]:
    """Shape of every tensor for a batch of one; an axis that stays unknown is 0."""
    import onnx

    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    graph = fixed.graph
    for each in graph.input:
        each.type.tensor_type.shape.dim[0].dim_value = 1
    del graph.value_info[:]  # they speak of the free batch axis
    for each in graph.output:
        each.type.tensor_type.ClearField("shape")
    graph = onnx.shape_inference.infer_shapes(fixed, data_prop=True).graph
    known = {
        each.name: [axis.dim_value for axis in each.type.tensor_type.shape.dim]
        for each in (*graph.input, *graph.value_info, *graph.output)
    }
    return known | {each.name: list(each.dims) for each in graph.initializer}


def _macs(node: Any, shapes: dict[str, list[int]]) -> int:
    source = shapes.get(node.input[0], [])
    weight = shapes.get(node.input[_WEIGHT[node.op_type]], [])
    target = shapes.get(node.output[0], [])
    if not source or not weight or not target or 0 in (*source, *weight, *target):
        raise InputError(f"{node.op_type} {node.name!r} has an unknown shape")
    if (
        node.op_type == "ConvTranspose"
    ):  # weight (in, out / groups, height, width): each input pixel is spread
        return prod(source) * prod(weight[1:])
    if "Conv" in node.op_type:  # weight (out, in / groups, height, width): each output pixel is gathered
        return prod(target) * prod(weight[1:])
    transposed = any(each.name == "transA" and each.i for each in node.attribute)
    return prod(target) * source[-2 if transposed else -1]
