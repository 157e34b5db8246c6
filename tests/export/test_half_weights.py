"""Half the file, the same landmarks."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper
from tiny_network import SPEC, smooth_crops, tiny_network, write_tiny

from efficientfan.errors import EfficientFanError
from efficientfan.export import halve_file, halve_weights
from efficientfan.export.half_weights import widen_weights
from efficientfan.predict import open_backend


def test_large_weights_become_float16_and_the_rest_stays():
    half = halve_weights(tiny_network(64))
    onnx.checker.check_model(half)
    kinds = {tensor.name: tensor.data_type for tensor in half.graph.initializer}
    assert {name for name, kind in kinds.items() if kind == TensorProto.FLOAT16} == {
        f"{name}.weight.half" for name in ("stem", "point", "up", "head")
    }
    assert kinds["stem.bias"] == kinds["ramp"] == TensorProto.FLOAT
    assert kinds["row"] == TensorProto.INT64


def test_widening_undoes_halving_but_for_the_rounding():
    model = tiny_network(64)
    wide = widen_weights(halve_weights(model))
    onnx.checker.check_model(wide)
    assert [node.op_type for node in wide.graph.node] == [node.op_type for node in model.graph.node]
    before, after = (
        {tensor.name: numpy_helper.to_array(tensor) for tensor in each.graph.initializer}
        for each in (model, wide)
    )
    assert before.keys() == after.keys()
    for name, values in before.items():
        assert after[name].dtype == values.dtype
        np.testing.assert_allclose(after[name], values, rtol=1e-3, atol=1e-7)
    assert widen_weights(model) == model


def test_what_float16_cannot_hold_stays():
    model = tiny_network(64)
    for tensor in model.graph.initializer:
        if tensor.name in ("point.weight", "up.weight"):
            values = numpy_helper.to_array(tensor).copy()
            values.flat[0] = {"point.weight": 1e6, "up.weight": np.nan}[tensor.name]
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    names = {tensor.name for tensor in halve_weights(model).graph.initializer}
    assert {"point.weight", "up.weight", "stem.weight.half", "head.weight.half"} <= names


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_halved_file_is_half_as_large_and_says_the_same(engine, tmp_path):
    whole, half = write_tiny(tmp_path / "tiny.onnx", 64), tmp_path / "half.onnx"
    parity = halve_file(whole, half)
    assert 0 < parity.points < 0.2
    assert half.stat().st_size < 0.6 * whole.stat().st_size
    backends = [open_backend(path, backend=engine, threads=1) for path in (whole, half)]
    points = [backend.run(smooth_crops(3)).points for backend in backends]
    np.testing.assert_allclose(points[0], points[1], atol=0.05)
    assert backends[1].spec.to_json() == SPEC.to_json()


def test_disagreement_leaves_nothing_behind(tmp_path):
    whole = write_tiny(tmp_path / "tiny.onnx", 64)
    with pytest.raises(EfficientFanError, match="not written"):
        halve_file(whole, tmp_path / "half.onnx", tolerance=0)
    assert list(tmp_path.iterdir()) == [whole]


def test_the_command(run_command, tmp_path):
    whole = write_tiny(tmp_path / "tiny.onnx", 64)
    code, text, _ = run_command("export", whole, "--half-weights")
    assert code == 0
    assert "tiny_half.onnx" in text
    assert (tmp_path / "tiny_half.onnx").is_file()
    code, _, errors = run_command("export", whole)
    assert code == 2
    assert "is already exported" in errors
    code, _, errors = run_command("export", whole, "--half-weights", "--min-score", "0.5")
    assert code == 2
    assert "--min-score" in errors
