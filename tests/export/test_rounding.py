"""Weights on the steps of int8: what is chosen, that quantizers keep it, that less changes than by rounding."""

from __future__ import annotations

from itertools import product

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from tiny_network import smooth_crops, tiny_network

from efficientfan.export.fold_input import fold_normalization
from efficientfan.export.int8_tools import LARGEST_WEIGHT, TOOLS
from efficientfan.export.rounding import choose_steps, round_weights
from efficientfan.export.upsampling import split_upsampling

STEPS = 127


def problem(channels=5, taps=4, seed=0):
    rng = np.random.default_rng(seed)
    weight = rng.normal(0, 1, (channels, taps))
    inputs = rng.normal(0, 1, (200, 1)) + rng.normal(0, 0.3, (200, taps))  # neighbors are alike
    return weight, np.abs(weight).max(axis=1, keepdims=True) / STEPS, np.cov(inputs.T)


def error(steps, weight, scale, covariance):
    """(O,) mean square error of each channel's output."""
    off = steps * scale - weight
    return np.einsum("ok,kj,oj->o", off, covariance, off)


@pytest.mark.parametrize("seed", range(5))
def test_no_single_step_makes_it_better(seed):
    weight, scale, covariance = problem(seed=seed)
    steps = choose_steps(weight, scale, covariance, STEPS)
    found = error(steps, weight, scale, covariance)
    for tap, by in product(range(4), (-1, 1)):
        moved = steps.copy()
        moved[:, tap] += by
        free = np.abs(steps[:, tap]) < STEPS - 1
        assert (error(moved, weight, scale, covariance) >= found - 1e-12)[free].all()


def test_it_comes_near_the_best_of_all_neighbors():
    weight, scale, covariance = problem(channels=40)
    nearest = np.round(weight / scale)
    loose = np.abs(nearest) < STEPS
    tried = [nearest + loose * np.array(by) for by in product((-2, -1, 0, 1, 2), repeat=4)]
    best = np.min([error(each, weight, scale, covariance) for each in tried], axis=0)
    found = error(choose_steps(weight, scale, covariance, STEPS), weight, scale, covariance)
    rounded = error(nearest, weight, scale, covariance)
    assert found.mean() < best.mean() + 0.1 * (rounded.mean() - best.mean())


def test_the_largest_weight_stays_and_channels_of_zeros_too():
    weight, scale, covariance = problem()
    steps = choose_steps(weight, scale, covariance, STEPS)
    assert np.abs(steps).max(axis=1).tolist() == [STEPS] * 5
    np.testing.assert_array_equal(np.abs(steps).argmax(axis=1), np.abs(weight).argmax(axis=1))
    assert not choose_steps(np.zeros((2, 4)), np.ones((2, 1)), covariance, STEPS).any()


def layer(channels, groups, *, bias=True, **attributes):
    rng = np.random.default_rng(3)
    arrays = {
        "weight": rng.normal(0, 1, (6, channels // groups, 3, 3)),
        **({"bias": rng.normal(0, 1, 6)} if bias else {}),
    }
    node = helper.make_node("Conv", ["x", *arrays], ["y"], name="layer", group=groups, **attributes)
    graph = helper.make_graph(
        [node],
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, channels, 12, 12])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 6, None, None])],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in arrays.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def run(model, feed, names=None):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(names, feed)[0]


def to_nearest(model):
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    tensor = next(each for each in copy.graph.initializer if each.name == "weight")
    weight = numpy_helper.to_array(tensor)
    scale = np.abs(weight).max(axis=(1, 2, 3), keepdims=True) / STEPS
    tensor.CopyFrom(numpy_helper.from_array((np.round(weight / scale) * scale).astype(np.float32), "weight"))
    return copy


@pytest.mark.parametrize(
    ("channels", "groups", "attributes"),
    [
        (4, 1, {}),
        (6, 6, {"pads": [1, 1, 1, 1]}),
        (6, 2, {"strides": [2, 2], "pads": [0, 0, 1, 1]}),
        (3, 3, {"dilations": [2, 2], "bias": False}),
    ],
)
def test_a_layer_changes_less_than_by_rounding(channels, groups, attributes):
    model = layer(channels, groups, **attributes)
    rng = np.random.default_rng(5)
    coarse = rng.uniform(0, 1, (12, channels, 3, 3)).repeat(4, axis=2).repeat(4, axis=3)
    faces = [(each[None] + rng.normal(0, 0.1, each.shape)).astype(np.float32) for each in coarse]
    before = model.SerializeToString()
    rounded = round_weights(model, faces[:8], STEPS)
    assert model.SerializeToString() == before
    onnx.checker.check_model(rounded)
    off = {"nearest": [], "chosen": []}
    for face in faces[8:]:  # others than those it was chosen on
        expected = run(model, {"x": face})
        off["nearest"].append(run(to_nearest(model), {"x": face}) - expected)
        off["chosen"].append(run(rounded, {"x": face}) - expected)
    nearest, chosen = (np.sqrt(np.mean(np.square(each))) for each in off.values())
    assert 0 < chosen < 0.85 * nearest


def test_the_quantizer_keeps_the_steps():
    original = fold_normalization(split_upsampling(tiny_network()))
    samples = [crop[None] for crop in smooth_crops(12)]
    told = []
    largest = LARGEST_WEIGHT["onnxruntime"]
    rounded = round_weights(original, samples[:8], largest, lambda: told.append(1))
    assert len(told) == 8
    int8 = TOOLS["onnxruntime"](rounded, samples, lambda: None)(())
    weights = {each.name: numpy_helper.to_array(each) for each in rounded.graph.initializer}
    stored = {each.name: numpy_helper.to_array(each) for each in int8.graph.initializer}
    layers = [node for node in rounded.graph.node if node.op_type == "Conv"]
    assert len(layers) == 4
    for node in layers:
        weight = weights[node.input[1]]
        scale = np.abs(weight).max(axis=(1, 2, 3), keepdims=True) / largest
        steps = stored[f"{node.input[1]}_quantized"]
        np.testing.assert_allclose(steps * scale, weight, atol=1e-4 * float(scale.max()))
        assert 2 * 255 * int(np.abs(steps).max()) < 2**15  # in 16 bits, where processors without VNNI add


def test_the_whole_network_says_more_nearly_what_it_said():
    original = fold_normalization(split_upsampling(tiny_network(64)))
    samples = [crop[None] for crop in smooth_crops(12)]
    crops = {"crops": smooth_crops(40)[12:]}
    expected = run(original, crops, ["points"])
    plain, chosen = (
        run(TOOLS["onnxruntime"](each, samples, lambda: None)(()), crops, ["points"])
        for each in (original, round_weights(original, samples, STEPS))
    )
    assert 0 < np.abs(chosen - expected).mean() < np.abs(plain - expected).mean()
