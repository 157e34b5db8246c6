"""Weights on the steps of int8, chosen together, so that the sums of a layer change least.

A quantizer rounds each weight to the nearest step. The errors of a channel's weights then add up: most in the first
layers, whose channels have 9 or 27 weights and whose inputs are alike. Here the steps of a channel are chosen for the
least mean square error of its output on calibration samples, as in Nagel et al., "Up or Down? Adaptive Rounding for
Post-Training Quantization" (ICML 2020), but by coordinate descent; what remains of the mean error goes into the bias.
Needs `onnx`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import helper, numpy_helper

__all__ = ["choose_steps", "round_weights"]

Array = NDArray[Any]

_SWEEPS = 5
"""Over the weights of a channel; nearly all stay where they are from the third on."""

_FLATNESS = 1e-3
"""Share of the inputs' mean variance that is added to each, so that what the samples do not show counts a little."""


def round_weights(
    model: onnx.ModelProto, samples: Sequence[Array], largest: int, step: Callable[[], None] = lambda: None
) -> onnx.ModelProto:
    """A copy whose convolutions have weights that a quantizer, symmetric and per channel, keeps as they are.

    Args:
        model: float graph of one input; its convolutions have weights of their own.
        samples: what the input takes, one after the other.
        largest: how many steps the quantizer gives to the largest weight of a channel.
        step: told after each sample.
    """
    rounded = onnx.ModelProto()
    rounded.CopyFrom(model)
    constants = {each.name: each for each in rounded.graph.initializer}
    convolutions = [
        node for node in rounded.graph.node if node.op_type == "Conv" and node.input[1] in constants
    ]
    statistics = _input_statistics(model, convolutions, samples, step)
    for node in convolutions:
        weight = numpy_helper.to_array(constants[node.input[1]])
        mean, covariance = statistics[node.name]
        groups, taps = mean.shape
        flat = weight.astype(np.float64).reshape(groups, -1, taps)
        scale = np.abs(flat).max(axis=2, keepdims=True) / largest
        scale[scale == 0] = 1.0
        steps = np.stack([choose_steps(*each, largest) for each in zip(flat, scale, covariance, strict=True)])
        error = ((flat - steps * scale) @ mean[:, :, None]).reshape(-1)  # (O,): of each channel's mean
        constants[node.input[1]].CopyFrom(_tensor((steps * scale).reshape(weight.shape), node.input[1]))
        bias = (
            numpy_helper.to_array(constants[node.input[2]]) if len(node.input) > 2 else np.zeros(len(weight))
        )
        name = f"{node.name}.rounded_bias"
        node.input[2:] = [name]
        rounded.graph.initializer.append(_tensor(bias + error, name))
    used = {name for node in rounded.graph.node for name in node.input}
    for initializer in [each for each in rounded.graph.initializer if each.name not in used]:
        rounded.graph.initializer.remove(initializer)
    return rounded


def choose_steps(weight: Array, scale: Array, covariance: Array, largest: int) -> Array:
    """Whole numbers q for which the output's mean square error (q scale - w)' C (q scale - w) is small.

    From the nearest ones on, one weight after the other takes the best step while the others hold still, until none
    moves. A channel's largest weight stays, and with it the scale that a quantizer finds.

    Args:
        weight: (O, K) weights w of O channels.
        scale: (O, 1), size of a step.
        covariance: (K, K) C of the inputs.
        largest: steps of a channel's largest weight.

    Returns:
        (O, K) whole numbers, float64, from -largest to largest.
    """
    steps = np.clip(np.round(weight / scale), -largest, largest)
    loose = np.abs(steps) < largest
    slope = (steps * scale - weight) @ covariance  # half the gradient
    for _ in range(_SWEEPS):
        before = steps.copy()
        for tap in np.flatnonzero(np.diag(covariance)):
            best = steps[:, tap] - np.round(slope[:, tap] / (scale[:, 0] * covariance[tap, tap]))
            moved = np.where(loose[:, tap], np.clip(best, 1 - largest, largest - 1) - steps[:, tap], 0.0)
            steps[:, tap] += moved
            slope += (moved * scale[:, 0])[:, None] * covariance[tap]
        if (steps == before).all():
            break
    return steps


def _tensor(array: Array, name: str) -> onnx.TensorProto:
    return numpy_helper.from_array(array.astype(np.float32), name)


def _input_statistics(
    model: onnx.ModelProto,
    convolutions: Sequence[onnx.NodeProto],
    samples: Sequence[Array],
    step: Callable[[], None],
) -> dict[str, tuple[Array, Array]]:
    """Name of a convolution -> mean (G, K) and covariance (G, K, K) of what its G groups multiply by K weights."""
    weights = {each.name: list(each.dims) for each in model.graph.initializer}
    maps = list(dict.fromkeys(node.input[0] for node in convolutions))
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    watched.graph.output.extend(
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
        for name in maps
        if name not in {output.name for output in model.graph.output}
    )
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        watched.SerializeToString(), settings, providers=["CPUExecutionProvider"]
    )
    sums: dict[str, list[Any]] = {node.name: [0, 0.0, 0.0] for node in convolutions}
    for sample in samples:
        found = dict(zip(maps, session.run(maps, {model.graph.input[0].name: sample}), strict=True))
        for node in convolutions:
            given = {each.name: helper.get_attribute_value(each) for each in node.attribute}
            seen = _patches(found[node.input[0]], weights[node.input[1]][2:], given)
            of_node = sums[node.name]
            of_node[0] += seen.shape[2]
            of_node[1] += seen.sum(axis=2, dtype=np.float64)
            of_node[2] += (seen @ seen.transpose(0, 2, 1)).astype(np.float64)
        step()
    return {name: _moments(*each) for name, each in sums.items()}


def _moments(count: int, total: Array, products: Array) -> tuple[Array, Array]:
    mean = total / count
    covariance = products / count - mean[:, :, None] * mean[:, None, :]
    variance = np.trace(covariance, axis1=1, axis2=2) / mean.shape[1]
    return mean, covariance + _FLATNESS * variance[:, None, None] * np.eye(mean.shape[1])


def _patches(maps: Array, kernel: Sequence[int], given: Mapping[str, Any]) -> Array:
    """What a convolution multiplies by its weights: (N, C, H, W) -> (G, C / G * kernel, positions)."""
    top, left, bottom, right = given.get("pads", (0, 0, 0, 0))
    (down, across), (step_y, step_x) = given.get("strides", (1, 1)), given.get("dilations", (1, 1))
    padded = np.pad(maps, ((0, 0), (0, 0), (top, bottom), (left, right)))
    reach = (step_y * (kernel[0] - 1) + 1, step_x * (kernel[1] - 1) + 1)
    seen = np.lib.stride_tricks.sliding_window_view(padded, reach, axis=(2, 3))
    seen = seen[:, :, ::down, ::across, ::step_y, ::step_x]  # (N, C, rows, columns, kernel)
    groups = given.get("group", 1)
    taps = maps.shape[1] // groups * kernel[0] * kernel[1]
    return np.ascontiguousarray(seen.transpose(1, 4, 5, 0, 2, 3)).reshape(groups, taps, -1)
