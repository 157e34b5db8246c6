"""OpenVINO says what ONNX Runtime says, of any batch, and refuses what it does not have."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import pytest
from skimage.data import astronaut
from tiny_model import SIZE, spec, tiny_graph, write_model

from efficientfan.errors import InputError, MissingDependencyError
from efficientfan.export.half_weights import widen_weights
from efficientfan.export.upsampling import split_upsampling
from efficientfan.geometry import CropTransform
from efficientfan.imaging import warp
from efficientfan.predict import OnnxBackend
from efficientfan.predict.backends.openvino import OpenVinoBackend, shared_core
from efficientfan.weights import find_model

BOX = np.array([170.0, 70.0, 280.0, 180.0])


@pytest.fixture(scope="module")
def crops():
    """(5, S, S, 3): the portrait's face, nearer, farther and shifted."""
    model = OnnxBackend(find_model("default"), threads=1).spec
    moves = np.array([[0, 0, 0, 0], [20, 20, -20, -20], [-30, -30, 30, 30], [12, 12, 12, 12], [-9, 7, -9, 7]])
    transforms = [CropTransform.from_box(BOX + move, model.input_size, model.crop_margin) for move in moves]
    return warp(astronaut(), transforms)


@pytest.fixture(scope="module")
def expected(crops):
    return OnnxBackend(find_model("default"), threads=1).run(crops)


@pytest.fixture(scope="module")
def backend():
    return OpenVinoBackend(find_model("default"), threads=1)


def test_it_agrees_with_onnx_runtime_in_f32(backend, crops, expected):
    found = backend.run(crops)
    np.testing.assert_allclose(found.points, expected.points, atol=0.01)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)
    np.testing.assert_allclose(found.visibility, expected.visibility, atol=1e-4)


def test_split_upsampling_is_put_together_again(crops, expected, tmp_path):
    path = tmp_path / "split.onnx"
    onnx.save(split_upsampling(widen_weights(onnx.load(find_model("default")))), path)
    backend = OpenVinoBackend(path, threads=1)
    kinds = [node.get_type_name() for node in backend._model.get_ops()]
    assert kinds.count("DepthToSpace") == 3
    assert kinds.count("Transpose") == 1  # of the pixels
    np.testing.assert_allclose(backend.run(crops).points, expected.points, atol=0.01)


def test_a_face_does_not_depend_on_its_batch(backend, crops):
    together = backend.run(crops).points
    for index in range(len(crops)):
        np.testing.assert_allclose(
            backend.run(crops[index : index + 1]).points[0], together[index], atol=1e-3
        )


def test_a_later_run_leaves_earlier_results_alone(backend, crops):
    first = backend.run(crops[:1])
    before = first.points.copy()
    backend.run(crops[1:2])
    np.testing.assert_array_equal(first.points, before)


def test_runs_of_several_threads_say_what_one_alone_says(backend, crops):
    streams = OpenVinoBackend(find_model("default"), threads=2, streams=2)
    assert (streams.threads, streams.streams) == (1, 2)
    batches = [crops[:1], crops, crops[1:4], crops[2:3]] * 3
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(streams.run, batches))
    for batch, each in zip(batches, found, strict=True):
        np.testing.assert_array_equal(each.points, backend.run(batch).points)


def test_a_failed_run_leaves_its_stream_to_the_next(model_file):
    tiny = OpenVinoBackend(model_file, streams=2)
    wrong = np.zeros((1, SIZE + 1, SIZE, 3), np.uint8)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            tiny._infer(wrong)
    assert tiny.run(wrong[:, :SIZE]).points.shape == (1, 68, 2)


@pytest.mark.parametrize("streams", [0, 1.5, "2"])
def test_streams_are_counted(model_file, streams):
    with pytest.raises(InputError, match="streams"):
        OpenVinoBackend(model_file, streams=streams)


RELEASED = """
import os, signal, sys
from efficientfan.predict.backends.openvino import OpenVinoBackend
first, second = (OpenVinoBackend(sys.argv[1], threads=1) for _ in range(2))
del first
del second
signal.signal(signal.SIGTERM, lambda *_: print("handled"))
os.kill(os.getpid(), signal.SIGTERM)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only there signal handlers have a stack of their own")
def test_a_signal_finds_its_stack_when_models_are_released(model_file):
    """In the order in which they were opened, which kills a process whose models have cores of their own."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", RELEASED, str(model_file)], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr


def test_bf16_stays_within_half_a_pixel_and_says_so(crops, expected):
    if "BF16" not in shared_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        with pytest.raises(InputError, match="no bf16 arithmetic"):
            OpenVinoBackend(find_model("default"), threads=1, precision="bf16")
        return
    half = OpenVinoBackend(find_model("default"), threads=1, precision="bf16")
    assert half.precision == "bf16"
    off = np.abs(half.run(crops).points - expected.points).max()
    assert 1e-4 < off < 0.5


def test_it_says_what_is_in_use(backend):
    assert (backend.name, backend.device, backend.precision, backend.threads) == (
        "openvino",
        "cpu",
        "f32",
        1,
    )


def test_no_crops_give_no_points(model_file):
    found = OpenVinoBackend(model_file).run(np.zeros((0, SIZE, SIZE, 3), np.uint8))
    assert found.points.shape == (0, 68, 2)
    assert found.visibility is None


def test_a_view_of_an_array_is_as_good_as_a_copy(model_file):
    crops = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3), np.uint8)
    tiny = OpenVinoBackend(model_file)
    np.testing.assert_array_equal(
        tiny.run(crops[:, :, ::-1]).points, tiny.run(np.ascontiguousarray(crops[:, :, ::-1])).points
    )


@pytest.mark.parametrize(
    ("graph", "text", "message"),
    [
        (tiny_graph(), "{", "spec is damaged"),
        (tiny_graph(), spec(input_size=64).to_json(), "the spec wants uint8"),
        (tiny_graph(points_name="landmarks"), None, "has no 'points'"),
        (tiny_graph(batch=1), None, "the spec wants"),
    ],
)
def test_graph_and_spec_must_agree(tmp_path, graph, text, message):
    with pytest.raises(InputError, match=message):
        OpenVinoBackend(write_model(tmp_path / "odd.onnx", graph, text))


def test_a_foreign_model_is_refused(tmp_path):
    onnx.save(tiny_graph(), tmp_path / "foreign.onnx")
    with pytest.raises(InputError, match="not a model of efficientfan"):
        OpenVinoBackend(tmp_path / "foreign.onnx")


@pytest.mark.parametrize("keep", [0, 0.5])
def test_damaged_files_are_named(model_file, tmp_path, keep):
    whole = model_file.read_bytes()
    (tmp_path / "broken.onnx").write_bytes(whole[: int(len(whole) * keep)])
    with pytest.raises(InputError, match=r"broken\.onnx") as caught:
        OpenVinoBackend(tmp_path / "broken.onnx")
    assert "\n" not in str(caught.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError, match="no such model file"):
        OpenVinoBackend(tmp_path / "none.onnx")


@pytest.mark.parametrize("device", ["cuda", "cpu:0", "gpu:", "gpu:x", ""])
def test_unknown_devices_are_refused(model_file, device):
    with pytest.raises(InputError, match="OpenVINO runs on"):
        OpenVinoBackend(model_file, device)


def test_a_missing_device_is_an_error(model_file):
    with pytest.raises(MissingDependencyError, match="finds only"):
        OpenVinoBackend(model_file, "gpu:7")


@pytest.mark.parametrize("options", [{"precision": "f8"}, {"threads": 0}])
def test_unknown_options_are_refused(model_file, options):
    with pytest.raises(InputError):
        OpenVinoBackend(model_file, **options)


def test_without_openvino_the_extra_is_named(model_file, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingDependencyError, match=r"efficientfan\[openvino\]"):
        OpenVinoBackend(model_file)
