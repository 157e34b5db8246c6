"""`efficientfan quantize` as typed."""

from __future__ import annotations

import pytest
from drawn_faces import write_drawn_300w
from tiny_network import write_tiny

from efficientfan.predict import load, open_backend


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_drawn_300w(tmp_path_factory.mktemp("300w"), train=6, common=3)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("model") / "tiny.onnx", 32)


def test_from_a_data_set(run_command, model, data, tmp_path):
    out = tmp_path / "int8.onnx"
    code, text, _ = run_command(
        "quantize", model, "--dataset", "300w", "--root", data, "--evaluate", "common", "--tool", "onnxruntime",
        "--max-float-layers", 1, "--crops", 4, "--threads", 1, "--out", out, "--force",
    )  # fmt: skip
    assert code == 0
    assert "300w common, 3 faces" in text
    assert "% before" in text
    assert "crop pixels in the mean" in text
    assert "onnxruntime: " in text
    assert "times as fast" in text
    record = open_backend(out).spec.provenance["quantization"]
    assert (record["calibration"], record["crops"]) == ("300w train", 4)


def test_from_a_folder_of_photos(run_command, model, data, tmp_path, monkeypatch):
    out = tmp_path / "int8.onnx"
    threads = []

    def load_and_tell(*args, **options):
        predictor = load(*args, **options)
        threads.append(predictor.backend.threads)
        return predictor

    monkeypatch.setattr("efficientfan.predict.load", load_and_tell)
    code, text, _ = run_command(
        "quantize", model, "--calibration", data / "afw", "--detector", "whole", "--tool", "onnxruntime",
        "--max-float-layers", 0, "--threads", 1, "--out", out, "--force",
    )  # fmt: skip
    assert code == 0
    assert threads == [1]
    assert "not measured" in text
    assert open_backend(out).spec.provenance["quantization"]["calibration"] == "afw"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "--evaluate SPLIT"),
        (["--force"], "no faces to calibrate on: give --calibration"),
        (["--dataset", "300w", "--force"], "belong together"),
        (["--evaluate", "common"], "needs --dataset"),
        (["--force", "--calibration", "nowhere"], "nowhere"),
    ],
)
def test_misuse_is_said(run_command, model, options, message, tmp_path):
    code, text, errors = run_command("quantize", model, *options, "--out", tmp_path / "int8.onnx")
    assert code == 2
    assert text == ""
    assert message in errors
    assert list(tmp_path.iterdir()) == []
