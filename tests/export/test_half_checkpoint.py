"""A checkpoint of half the size gives the same results, and training can start from it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from efficientfan.errors import EfficientFanError
from efficientfan.export import halve_checkpoint
from efficientfan.models import (
    build_detector_network,
    build_network,
    load_checkpoint,
    load_detector_checkpoint,
    save_checkpoint,
    start_from,
)
from efficientfan.models.checkpoint import read_tensors
from efficientfan.schema import get_schema
from efficientfan.spec import DetectorSpec, ModelSpec

FIVE = get_schema("five")


@pytest.fixture(scope="module")
def landmarks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("whole") / "landmarks.safetensors"
    spec = ModelSpec("tiny", {"name": "mobilefan_050"}, FIVE, 64, 4, 0.25, {"name": "softargmax"})
    save_checkpoint(path, build_network("mobilefan_050", 5), spec)
    return path


def test_a_landmark_network(landmarks: Path, tmp_path: Path) -> None:
    half = tmp_path / "half.safetensors"
    report = halve_checkpoint(landmarks, half)
    assert report.size_bytes == half.stat().st_size < 0.6 * landmarks.stat().st_size
    assert 0 < report.parity.points < 0.2
    tensors, spec = read_tensors(half)
    assert spec == read_tensors(landmarks)[1]
    assert {tensor.dtype for tensor in tensors.values()} >= {torch.float16, torch.float32}
    network, whole = load_checkpoint(half)[0], load_checkpoint(landmarks)[0]
    for name, tensor in network.state_dict().items():
        assert tensor.dtype == whole.state_dict()[name].dtype
        torch.testing.assert_close(tensor, whole.state_dict()[name], rtol=1e-3, atol=1e-6)
    start_from(half, build_network("mobilefan_050", 5), FIVE)


def test_a_detector(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build_detector_network("facefinder", levels=3).eval()
    nn.init.normal_(network.center.weight)  # a trained map of centers is not nearly flat
    spec = DetectorSpec(
        name="tiny",
        network={"name": "facefinder", "levels": 3},
        stride=network.stride,
        multiple=network.multiple,
        long_sides=(64,),
        license="none",
    )
    save_checkpoint(tmp_path / "whole.safetensors", network, spec)
    report = halve_checkpoint(tmp_path / "whole.safetensors", tmp_path / "half.safetensors", tolerance=1.0)
    assert report.size_bytes < 0.6 * (tmp_path / "whole.safetensors").stat().st_size
    assert load_detector_checkpoint(tmp_path / "half.safetensors")[1] == spec


def test_disagreement_leaves_nothing_behind(landmarks: Path, tmp_path: Path) -> None:
    with pytest.raises(EfficientFanError, match="not written"):
        halve_checkpoint(landmarks, tmp_path / "half.safetensors", tolerance=0)
    assert list(tmp_path.iterdir()) == []


def test_the_command(run_command, landmarks: Path, tmp_path: Path) -> None:
    out = tmp_path / "half.safetensors"
    code, text, _ = run_command(
        "export", landmarks, "--format", "safetensors", "--half-weights", "--out", out
    )
    assert code == 0
    assert "half.safetensors" in text
    assert out.is_file()
    code, _, errors = run_command("export", landmarks, "--format", "safetensors")
    assert code == 2
    assert "goes with --half-weights" in errors
