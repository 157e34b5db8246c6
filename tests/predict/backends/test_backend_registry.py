"""Opening a model by the engine's name."""

import sys

import numpy as np
import pytest

import efficientfan
from efficientfan.errors import InputError, MissingDependencyError
from efficientfan.predict import OnnxBackend, open_backend
from efficientfan.predict.backends import backend_class, engine_in_words


def test_onnx_files_open_on_onnx_runtime(model_file):
    backend = open_backend(model_file, threads=1)
    assert isinstance(backend, OnnxBackend)
    assert (backend.name, backend.device, backend.precision, backend.threads) == (
        "onnxruntime",
        "cpu",
        "f32",
        1,
    )


def test_engines_give_the_same_faces(model_file):
    photo = np.random.default_rng(0).integers(0, 256, (50, 60, 3), np.uint8)
    faces = [
        efficientfan.load(model_file, detector="whole", backend=name)(photo)
        for name in ("onnxruntime", "openvino")
    ]
    np.testing.assert_allclose(faces[0][0].points, faces[1][0].points, atol=1e-3)


@pytest.mark.parametrize(
    ("file", "backend", "message"),
    [
        ("a.onnx", "tflite", "known are onnxruntime, openvino, torch, ncnn"),
        ("a.onnx", "torch", "checkpoints only"),
        ("a.onnx", "ncnn", "runs .param files only"),
        ("a.param", "openvino", "use backend ncnn"),
        ("a.param", "torch", "use backend ncnn"),
        ("a.safetensors", "ncnn", "export` it first"),
        ("a.safetensors", "onnxruntime", "export` it first"),
        ("a.safetensors", "openvino", "export` it first"),
    ],
)
def test_engine_and_file_must_fit(tmp_path, file, backend, message):
    with pytest.raises(InputError, match=message):
        open_backend(tmp_path / file, backend=backend)


def test_a_checkpoint_opens_on_torch(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"none\.safetensors"):
        open_backend(tmp_path / "none.safetensors")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingDependencyError, match=r"efficientfan\[train\]"):
        open_backend(tmp_path / "none.safetensors")


@pytest.mark.parametrize("precision", ["bf16", "half"])
def test_onnx_runtime_has_f32_only(model_file, precision):
    with pytest.raises(InputError, match="bf16"):
        open_backend(model_file, precision=precision)


def test_the_engine_in_words(model_file):
    assert engine_in_words(open_backend(model_file)) == "onnxruntime on cpu, f32"
    assert engine_in_words(open_backend(model_file, threads=1)) == "onnxruntime on cpu, f32, 1 thread"
    assert engine_in_words(open_backend(model_file, threads=2)) == "onnxruntime on cpu, f32, 2 threads"


@pytest.mark.parametrize(
    ("file", "backend", "overlap"),
    [("a.onnx", None, True), ("a.onnx", "openvino", False), ("a.safetensors", None, False)],
)
def test_an_engine_says_whether_its_runs_overlap_before_it_is_opened(file, backend, overlap):
    assert backend_class(file, backend).runs_overlap is overlap
