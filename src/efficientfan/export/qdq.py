"""Quantized graphs: which parts of a float graph may become int8, and putting single layers back to float.

A quantized graph is the float graph with QuantizeLinear / DequantizeLinear pairs ("QDQ") around what is to run in
int8; its nodes keep their names. Needs `onnx`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

import onnx

__all__ = ["float_operators", "inner_nodes", "int8_layers", "layers", "restore_float"]

LAYERS = ("Conv", "ConvTranspose")
"""What is worth quantizing in our networks: all their weights and nearly all their arithmetic are there."""


def layers(model: onnx.ModelProto) -> list[str]:
    """Names of the convolutions, in the order of the graph."""
    return [node.name for node in model.graph.node if node.op_type in LAYERS]


def int8_layers(quantized: onnx.ModelProto) -> list[str]:
    """Names of the convolutions whose weights are stored in int8."""
    unpacked = {
        name for node in quantized.graph.node if node.op_type == "DequantizeLinear" for name in node.output
    }
    return [
        node.name for node in quantized.graph.node if node.op_type in LAYERS and node.input[1] in unpacked
    ]


def inner_nodes(model: onnx.ModelProto) -> set[str]:
    """Names of the layers and of whatever lies between two of them: activations, sums, pooling.

    The others come before the first layer or behind the last (decoding) and stay in float.
    """
    nodes = model.graph.node  # they stand in the order of the data
    fed: set[str] = set()
    behind = set()
    for node in nodes:
        if fed & set(node.input):
            behind.add(node.name)
            fed |= set(node.output)
        elif node.op_type in LAYERS:
            fed |= set(node.output)
    wanted: set[str] = set()
    before = set()
    for node in reversed(nodes):
        if wanted & set(node.output):
            before.add(node.name)
            wanted |= set(node.input)
        elif node.op_type in LAYERS:
            wanted |= set(node.input)
    return set(layers(model)) | (behind & before)


def float_operators(model: onnx.ModelProto, quantized: Collection[str]) -> dict[str, int]:
    """Kinds of inner nodes that are neither in `quantized` nor layers nor mere rearrangements -> how many."""
    inner = inner_nodes(model)
    known = {*quantized, *LAYERS, "Transpose", "Reshape", "Identity"}
    kinds = Counter(node.op_type for node in model.graph.node if node.name in inner)
    return {kind: count for kind, count in sorted(kinds.items()) if kind not in known}


def restore_float(
    quantized: onnx.ModelProto, original: onnx.ModelProto, names: Collection[str]
) -> onnx.ModelProto:
    """A copy of the quantized graph in which the layers of these names are again what they are in the original."""
    model = onnx.ModelProto()
    model.CopyFrom(quantized)
    nodes = {node.name: node for node in model.graph.node}
    originals = {node.name: node for node in original.graph.node}
    inner = inner_nodes(original)
    for name in names:
        node = nodes[name]
        weights = [_copy_weight(each, original.graph, model.graph) for each in originals[name].input[1:]]
        node.input[:] = [_before_pair(model.graph, node.input[0]), *weights]
        _free_output(model.graph, node.output[0], inner)
    _prune(model.graph)
    return model


def _before_pair(graph: onnx.GraphProto, tensor: str) -> str:
    """The float tensor that a QDQ pair rounds to `tensor`; `tensor` itself where no pair does."""
    makers = {name: node for node in graph.node for name in node.output}
    end = makers.get(tensor)
    if end is None or end.op_type != "DequantizeLinear":
        return tensor
    start = makers.get(end.input[0])
    return tensor if start is None or start.op_type != "QuantizeLinear" else str(start.input[0])


def _free_output(graph: onnx.GraphProto, tensor: str, inner: Collection[str]) -> None:
    """Give `tensor` unrounded to what reads it through a QDQ pair, unless an inner node does."""
    for start in _readers(graph, tensor):
        if start.op_type != "QuantizeLinear":
            continue
        for end in _readers(graph, start.output[0]):
            readers = _readers(graph, end.output[0])
            if not any(reader.name in inner for reader in readers):
                for reader in readers:
                    reader.input[:] = [tensor if name == end.output[0] else name for name in reader.input]


def _readers(graph: onnx.GraphProto, tensor: str) -> list[onnx.NodeProto]:
    return [node for node in graph.node if tensor in node.input]


def _copy_weight(name: str, source: onnx.GraphProto, target: onnx.GraphProto) -> str:
    """Put an initializer of the original into the quantized graph, under a name that is free there."""
    copy = onnx.TensorProto()
    copy.CopyFrom(next(tensor for tensor in source.initializer if tensor.name == name))
    copy.name = f"{name}.float"
    if all(tensor.name != copy.name for tensor in target.initializer):
        target.initializer.append(copy)
    return str(copy.name)


def _prune(graph: onnx.GraphProto) -> None:
    """Take out nodes and initializers that nothing reads any more."""
    needed = {output.name for output in graph.output}
    idle = []
    for index in reversed(range(len(graph.node))):
        if needed & set(graph.node[index].output):
            needed |= set(graph.node[index].input)
        else:
            idle.append(index)
    for index in idle:
        del graph.node[index]
    for index in reversed(range(len(graph.initializer))):
        if graph.initializer[index].name not in needed:
            del graph.initializer[index]
    del graph.value_info[:]  # it speaks of tensors that are gone; engines infer it anew
