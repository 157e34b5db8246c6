"""Half the file: weights are stored as float16 and turned back to float32 when the file is loaded.

The arithmetic stays float32. ONNX Runtime and OpenVINO fold the conversions once, at load, so speed and memory are
those of the whole file; only the weights have lost digits. Needs `onnx`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from efficientfan.export.parity import Parity, measure_file_parity, write_proved
from efficientfan.predict import OnnxBackend

__all__ = ["HALF_TOLERANCE", "halve_file", "halve_weights", "tolerance_of", "widen_weights"]

HALF_TOLERANCE = 0.2
"""Largest distance of a point from the whole file's, in crop pixels; scores and probabilities are held to it too.

On the random pictures of `measure_parity`, whose heatmaps are broad and magnify rounding.
"""

FEWEST = 1024
"""Smaller tensors stay whole: biases and constants of the decoding weigh little and matter much."""


def tolerance_of(half_weights: bool) -> float:
    """Largest difference from torch that an exported file may show, where no other is asked for."""
    return HALF_TOLERANCE if half_weights else 0.01


def halve_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of any graph whose large float32 initializers are float16, each behind a Cast to float32.

    A tensor with a value that float16 cannot hold stays whole.
    """
    half = onnx.ModelProto()
    half.CopyFrom(model)
    casts = []
    for tensor in half.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(tensor)
        if values.size < FEWEST or not np.abs(values).max() < np.finfo(np.float16).max:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(
            helper.make_node("Cast", [tensor.name], [name], name=f"{name}.whole", to=TensorProto.FLOAT)
        )
    nodes = [*casts, *half.graph.node]
    del half.graph.node[:]
    half.graph.node.extend(nodes)
    return half


def widen_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of a graph with what `halve_weights` made undone, but for the rounding; others come back as they are."""
    wide = onnx.ModelProto()
    wide.CopyFrom(model)
    halves = {each.name: each for each in wide.graph.initializer if each.data_type == TensorProto.FLOAT16}
    casts = [node for node in wide.graph.node if node.op_type == "Cast" and node.input[0] in halves]
    for cast in casts:
        tensor = halves[cast.input[0]]
        values = numpy_helper.to_array(tensor).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(values, cast.output[0]))
        wide.graph.node.remove(cast)
    return wide


def halve_file(path: str | Path, out: str | Path, *, tolerance: float = HALF_TOLERANCE) -> Parity:
    """Write an exported landmark model with half weights, and prove that it agrees with the whole one.

    Returns:
        How far the two files are apart.

    Raises:
        InputError: not one of our files, or `out` cannot be written.
        EfficientFanError: the two disagree; nothing is written.
    """
    spec = OnnxBackend(path).spec
    return write_proved(
        out,
        lambda half: onnx.save(halve_weights(onnx.load(path)), half),
        lambda half: measure_file_parity(path, half, spec),
        tolerance,
        original="the whole file",
    )
