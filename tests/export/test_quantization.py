"""int8 files: what is quantized, what goes back to float, what is refused, and that both engines run them."""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import Distribution, PackageNotFoundError

import numpy as np
import onnx
import onnxruntime
import pytest
from drawn_faces import write_drawn_300w
from onnx import numpy_helper
from tiny_network import LAYERS, SIZE, SPEC, smooth_crops, tiny_network, write_tiny

from efficientfan.errors import EfficientFanError, InputError
from efficientfan.evaluation import EvaluationSetup, load_test_set, score_points
from efficientfan.evaluation.landmarks.evaluate import predict_in_boxes
from efficientfan.export import quantization as module
from efficientfan.export import quantize
from efficientfan.export.calibration import Calibration, crops_of_dataset, crops_of_photos
from efficientfan.export.fold_input import fold_normalization
from efficientfan.export.int8_tools import QUANTIZED, TOOLS
from efficientfan.export.qdq import float_operators, inner_nodes, int8_layers, layers
from efficientfan.export.sensitivity import choose_float_layers
from efficientfan.export.upsampling import split_upsampling
from efficientfan.predict import load, open_backend


@pytest.fixture(scope="module")
def float_graph():
    """As the tools get it."""
    return fold_normalization(split_upsampling(tiny_network()))


@pytest.fixture(scope="module")
def int8_graphs(int8_makers):
    """Tool -> graph, all in int8."""
    return {name: make(()) for name, make in int8_makers.items()}


@pytest.fixture(scope="module")
def int8_makers(float_graph):
    """Tool -> names of float layers -> graph."""
    samples = [crop[None] for crop in smooth_crops(12)]
    return {name: tool(float_graph, samples, lambda: None) for name, tool in TOOLS.items()}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_drawn_300w(tmp_path_factory.mktemp("300w"), train=6, common=4)


@pytest.fixture(scope="module")
def test_set(root):
    return load_test_set("300w", root, "common")


def points_of(graph: onnx.ModelProto) -> np.ndarray:
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["points"], {"crops": smooth_crops(5)})[0]


def test_normalization_and_decoding_are_not_inner(float_graph):
    graph = tiny_network()
    assert layers(graph) == layers(float_graph) == LAYERS
    assert inner_nodes(graph) == {*LAYERS, "stem_relu", "sum", "up_relu"}


def test_what_each_tool_quantizes(float_graph, int8_graphs):
    assert int8_layers(float_graph) == []
    for graph in int8_graphs.values():
        assert int8_layers(graph) == LAYERS
        onnx.checker.check_model(graph)
        weights = [tensor for tensor in graph.graph.initializer if tensor.data_type == onnx.TensorProto.INT8]
        assert weights
        makers = {name: node for node in graph.graph.node for name in node.output}
        (softmax,) = (node for node in graph.graph.node if node.op_type == "Softmax")
        assert makers[softmax.input[0]].op_type == "Reshape"


def test_the_tool_of_onnx_runtime_leaves_nothing_in_float_between_two_layers(int8_graphs, tmp_path):
    """Bytes go in as they are, activations are part of the rounding, and the engine merges every pair into a layer."""
    graph = int8_graphs["onnxruntime"]
    assert not {"Cast", "Relu"} & {node.op_type for node in graph.graph.node}
    settings = onnxruntime.SessionOptions()
    settings.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    settings.log_severity_level = 4
    onnxruntime.InferenceSession(graph.SerializeToString(), settings, providers=["CPUExecutionProvider"])
    kinds = [node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node]
    assert kinds.count("QLinearConv") == len(LAYERS)
    assert "QuantizeLinear" not in kinds
    assert kinds.count("DequantizeLinear") == 1  # behind the head


def test_operators_without_an_int8_form_are_named():
    graph = tiny_network()
    for node in graph.graph.node:
        if node.name in ("stem_relu", "up_relu"):
            node.op_type = "HardSwish"
    assert float_operators(graph, QUANTIZED) == {"HardSwish": 2}
    assert float_operators(tiny_network(), QUANTIZED) == {}


def test_tools_leave_their_input_alone(float_graph, int8_graphs):
    assert int8_graphs
    again = fold_normalization(split_upsampling(tiny_network()))
    assert float_graph.SerializeToString() == again.SerializeToString()


@pytest.mark.parametrize("tool", TOOLS)
def test_all_layers_back_have_their_own_weights_and_say_nearly_what_they_said(tool, float_graph, int8_makers):
    """Nearly: the sum between two layers is still rounded."""
    expected = points_of(float_graph)
    restored = int8_makers[tool](LAYERS)
    onnx.checker.check_model(restored)
    assert int8_layers(restored) == []
    originals = {tensor.name: numpy_helper.to_array(tensor) for tensor in float_graph.graph.initializer}
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in restored.graph.initializer}
    for node in restored.graph.node:
        for name in node.input[1:] if node.name in LAYERS else ():
            np.testing.assert_array_equal(weights[name], originals[name.removesuffix(".float")])
    before, after = (
        np.abs(points_of(graph) - expected).mean() for graph in (int8_makers[tool](()), restored)
    )
    assert 0 < after < before


@pytest.mark.parametrize("tool", TOOLS)
def test_one_layer_back_leaves_the_others(tool, int8_graphs, int8_makers):
    before = int8_graphs[tool].SerializeToString()
    restored = int8_makers[tool](["head"])
    assert "head" not in int8_layers(restored)
    assert len(int8_layers(restored)) == len(int8_layers(int8_graphs[tool])) - 1
    assert int8_graphs[tool].SerializeToString() == before
    head = next(node for node in restored.graph.node if node.name == "head")
    readers = [node.op_type for node in restored.graph.node if head.output[0] in node.input]
    assert readers == ["Reshape"]  # what a float head says is not rounded on its way to the decoding


def test_sensitive_layers_are_found_by_trying(int8_makers):
    share = {"stem": 8.0, "point": 4.0, "up": 1.0, "head": 0.5}

    def error(graph):
        return 1 + sum(share[name] for name in int8_layers(graph))

    def choose(**options):
        return choose_float_layers(int8_makers["nncf"], error, **options)

    assert choose(most=4, least_gain=0.0) == ["stem", "point", "up", "head"]
    assert choose(most=4, least_gain=0.35) == [
        "stem",
        "point",
        "up",
    ]  # 14.5, 6.5, 2.5, 1.5; the head would give 1
    assert choose(most=1) == ["stem"]
    assert choose(most=0) == []


def calibration(count=12):
    return Calibration("drawn", smooth_crops(count), 0)


def nme_of(path, test_set):
    """By the test set's own normalizer, as `efficientfan evaluate` has it."""
    backend, setup = open_backend(path, threads=1), EvaluationSetup()
    predicted = predict_in_boxes(backend.run, backend.spec, test_set.annotations, setup.boxes(test_set))
    results = score_points(predicted.points, test_set, label="x", subject={}, settings=setup.to_dict())
    return results.groups[test_set.split].metrics[f"nme_{test_set.normalizer}"].value


@pytest.mark.parametrize("tool", TOOLS)
def test_the_file_runs_in_both_engines_and_says_how_it_was_made(tool, test_set, tmp_path):
    source, out = write_tiny(tmp_path / "tiny.onnx", 64), tmp_path / "int8.onnx"
    report = quantize(source, out, calibration(), test_set, tool=tool, threads=1, force=True)
    crops = smooth_crops(5)
    found = [open_backend(out, backend=name, threads=1) for name in ("onnxruntime", "openvino")]
    points = [backend.run(crops).points for backend in found]
    assert np.abs(points[0] - points[1]).mean() < 0.05
    assert [backend.precision for backend in found] == ["int8+f32", "int8+f32"]
    record = found[0].spec.provenance["quantization"]
    assert record["tool"].startswith(f"{tool} ")
    assert (record["calibration"], record["crops"], record["seed"]) == ("drawn", 12, 0)
    assert (record["split"], record["faces"], record["engine"]) == ("300w common", 4, "onnxruntime")
    nme_float, nme_int8 = (nme_of(path, test_set) for path in (source, out))
    assert nme_float != nme_int8
    assert (record["nme_float"], record["nme_int8"]) == pytest.approx((nme_float, nme_int8), rel=1e-6)
    assert record["difference"]["value"] == pytest.approx(nme_int8 - nme_float, rel=1e-3)
    assert report.cost.growth == pytest.approx(nme_int8 / nme_float - 1)
    assert record == {**record, **asdict(report.cost)}
    assert 0 < record["shift_mean"] <= record["shift_worst"]
    assert found[0].spec.provenance["recipe"] == "none"
    assert found[0].spec.name == "tiny_int8"
    assert (report.size_int8, report.size_float) == (out.stat().st_size, source.stat().st_size)
    assert report.layers[1] == len(int8_layers(onnx.load(out)))
    assert list(report.float_layers) == record["float_layers"]


def test_the_tool_may_come_from_a_package_of_another_name(tmp_path, monkeypatch):
    """Such as onnxruntime-gpu."""
    found = Distribution.from_name

    def from_name(name):
        if name == "onnxruntime":
            raise PackageNotFoundError(name)
        return found(name)

    monkeypatch.setattr(Distribution, "from_name", from_name)
    source, out = write_tiny(tmp_path / "tiny.onnx"), tmp_path / "int8.onnx"
    options = {"threads": 1, "most_float_layers": 0, "force": True}
    report = quantize(source, out, calibration(4), None, tool="onnxruntime", **options)
    assert report.spec.provenance["quantization"]["tool"] == f"onnxruntime {onnxruntime.__version__}"


def test_the_same_seed_gives_the_same_file(test_set, tmp_path):
    source = write_tiny(tmp_path / "tiny.onnx")
    files = [tmp_path / "a.onnx", tmp_path / "b.onnx"]
    for out in files:
        quantize(source, out, calibration(4), None, tool="onnxruntime", threads=1, force=True)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_file_that_is_much_worse_is_not_written(test_set, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_GROWTH", -1.0)
    source, out = write_tiny(tmp_path / "tiny.onnx"), tmp_path / "int8.onnx"
    with pytest.raises(EfficientFanError, match="not written"):
        quantize(source, out, calibration(32), test_set, tool="onnxruntime", threads=1)
    assert not out.exists()
    quantize(source, out, calibration(4), test_set, tool="onnxruntime", threads=1, force=True)
    assert out.exists()


def test_what_is_refused(test_set, tmp_path):
    source, out = write_tiny(tmp_path / "tiny.onnx"), tmp_path / "int8.onnx"
    with pytest.raises(InputError, match="unknown tool"):
        quantize(source, out, calibration(), test_set, tool="magic")
    with pytest.raises(InputError, match="without a test set"):
        quantize(source, out, calibration(), None)
    with pytest.raises(InputError, match="drawn: gives 31 faces to calibrate on, too few"):
        quantize(source, out, calibration(31), test_set)
    quantize(source, out, calibration(4), None, tool="onnxruntime", most_float_layers=0, force=True)
    with pytest.raises(InputError, match="quantized already"):
        quantize(out, tmp_path / "again.onnx", calibration(4), test_set)
    with pytest.raises(InputError, match="no face to calibrate on"):
        calibration(0)


def test_calibration_faces_come_from_the_data_set_by_seed(test_set):
    spec = SPEC
    faces = test_set.annotations
    one, two, other = (crops_of_dataset("set", faces, spec, count=2, seed=seed).crops for seed in (0, 0, 1))
    assert one.shape == (2, SIZE, SIZE, 3)
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)
    assert len(crops_of_dataset("set", faces, spec, count=99, seed=0).crops) == len(faces)


def test_calibration_faces_come_from_a_folder(root, tmp_path):
    predictor = load(write_tiny(tmp_path / "tiny.onnx"), detector="whole", threads=1)
    (root / "afw" / "broken.png").write_bytes(b"none")
    told = []
    found = crops_of_photos(root / "afw", predictor, count=99, seed=0, tell=told.append)
    assert found.crops.shape == (4, SIZE, SIZE, 3)
    assert found.source == "afw"
    assert len(told) == 1
    assert "broken.png" in told[0]
    assert len(crops_of_photos(root / "afw", predictor, count=3, seed=0).crops) == 3
    (root / "afw" / "broken.png").unlink()
