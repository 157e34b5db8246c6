"""Which models run on which engines, and what a job feeds them."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from efficientfan.benchmark.subjects import Subject, choose_subjects, crop_job, macs_of
from efficientfan.errors import InputError, MissingDependencyError
from efficientfan.weights import find_model, list_models


@pytest.fixture
def files(tmp_path):
    (tmp_path / "a.onnx").touch()
    (tmp_path / "b.safetensors").touch()
    return tmp_path / "a.onnx", tmp_path / "b.safetensors"


def test_models_meet_the_engines_that_run_them(files):
    engines = ("onnxruntime", "openvino", "torch")
    onnx, checkpoint = files
    found = choose_subjects(files, engines[::2], ("f32", "bf16"))
    assert found == [
        Subject(onnx, "onnxruntime", "f32"),
        Subject(checkpoint, "torch", "f32"),
        Subject(checkpoint, "torch", "bf16"),
    ]
    assert [each.name for each in found] == ["a onnxruntime f32", "b torch f32", "b torch bf16"]


def test_a_model_given_twice_is_measured_once():
    found = choose_subjects(["default"], ["onnxruntime"], every_model=True)
    assert found[0].path == find_model("default")
    assert sorted(each.path.stem for each in found) == list_models()


def test_one_file_by_two_paths_and_one_engine_named_twice_are_one(files, monkeypatch):
    monkeypatch.chdir(files[0].parent)
    found = choose_subjects([files[0], "a.onnx", files[0].parent / "." / "a.onnx"], ["onnxruntime"] * 2)
    assert found == [Subject(files[0], "onnxruntime")]


def test_two_models_of_one_name(files, tmp_path):
    other = tmp_path / "other" / "a.onnx"
    other.parent.mkdir()
    other.touch()
    with pytest.raises(InputError, match=r"two models have one file name: .*a\.onnx and .*other/a\.onnx"):
        choose_subjects([files[0], other], ["onnxruntime"])
    checkpoint = other.with_suffix(".safetensors")
    checkpoint.touch()
    found = choose_subjects([files[0], checkpoint], ["onnxruntime", "torch"])
    assert [each.name for each in found] == ["a onnxruntime f32", "a torch f32"]


def test_only_installed_engines_are_taken(files, monkeypatch):
    monkeypatch.setattr(
        "efficientfan.benchmark.subjects.find_spec", lambda name: name == "onnxruntime" or None
    )
    assert choose_subjects(files) == [Subject(files[0], "onnxruntime")]
    with pytest.raises(MissingDependencyError, match=r"pip install openvino"):
        choose_subjects(files, ["openvino"])
    with pytest.raises(InputError, match=r"nothing to measure.*b.safetensors"):
        choose_subjects(files[1:])


def test_unknown_names(files):
    with pytest.raises(InputError, match="unknown engine 'caffe'"):
        choose_subjects(files, ["caffe"])
    with pytest.raises(InputError, match="no such model file"):
        choose_subjects(["nowhere.onnx"])


@pytest.mark.parametrize(
    ("batch", "expected"), [(1, [[0], [1], [2], [0]]), (2, [[0, 1]] * 4), (4, [[0, 1, 2, 0]] * 4)]
)
def test_batches_go_round_the_crops(batch, expected):
    crops = np.arange(3, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    fed: list[list[int]] = []
    job = crop_job("x", lambda given: fed.append(given[:, 0, 0, 0].tolist()), crops, batch)
    assert job.faces == batch
    assert len(job.visit(3, lambda: 0.0)) == 3  # and one unseen
    assert fed == expected


def test_operations_are_unknown_without_their_counter(monkeypatch):
    path = find_model("default")
    assert macs_of(path, 128) > 5e7
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert macs_of(path, 128) is None


def test_all_means_bf16_too_where_it_is(files, monkeypatch):
    monkeypatch.setattr("efficientfan.benchmark.subjects.list_models", list)
    monkeypatch.setattr(
        "efficientfan.benchmark.subjects.find_spec", lambda name: name != "onnxruntime" or None
    )
    for present, expected in ((True, {"f32", "bf16"}), (False, {"f32"})):
        monkeypatch.setattr("efficientfan.benchmark.subjects.has_bf16", lambda engine, here=present: here)
        assert {each.precision for each in choose_subjects(files, every_model=True)} == expected
    assert {each.precision for each in choose_subjects(files)} == {"f32"}
