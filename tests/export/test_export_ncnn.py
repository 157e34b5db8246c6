"""Files for phones must say what torch says, and be known when they are not those that were written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from efficientfan.benchmark.subjects import choose_subjects, macs_of
from efficientfan.cli.export import export_command
from efficientfan.errors import EfficientFanError, InputError
from efficientfan.export import export_ncnn, export_onnx
from efficientfan.export import ncnn as ncnn_export
from efficientfan.export.parity import Parity
from efficientfan.export.usage import USAGE_KEY, usage_in_words
from efficientfan.models import build_network, save_checkpoint
from efficientfan.predict import open_backend
from efficientfan.predict.backends.ncnn import NcnnBackend, ncnn_files
from efficientfan.schema import get_schema
from efficientfan.spec import ModelSpec

pytest.importorskip("ncnn", reason="the extra mobile is not installed")
pytest.importorskip("pnnx", reason="the extra mobile is not installed")

SPEC = ModelSpec(
    name="test", network={"name": "tinyfan", "visibility": True}, schema=get_schema("five"), input_size=64,
    stride=4, crop_margin=0.25, decoder={"name": "softargmax"}, license="none",
)  # fmt: skip


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    network = build_network("tinyfan", 5, visibility=True)
    nn.init.normal_(network.head.conv.weight, std=0.05)  # a trained head is not nearly flat
    path = tmp_path_factory.mktemp("checkpoint") / "model.safetensors"
    save_checkpoint(path, network, SPEC)
    return path


@pytest.fixture(scope="module")
def exported(checkpoint: Path) -> Path:
    report = export_ncnn(checkpoint, checkpoint.with_suffix(".param"))
    assert report.parity.within(0.01)
    assert report.size_bytes == sum(file.stat().st_size for file in ncnn_files(report.path)[:2])
    return report.path


@pytest.fixture
def copy(exported: Path, tmp_path: Path) -> Path:
    for file in ncnn_files(exported):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path / exported.name


def test_ncnn_and_onnx_runtime_agree(exported: Path, checkpoint: Path, tmp_path: Path) -> None:
    export_onnx(checkpoint, tmp_path / "model.onnx")
    crops = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    backend = open_backend(exported, threads=1)
    assert (backend.name, backend.device, backend.precision, backend.threads) == ("ncnn", "cpu", "f32", 1)
    found, expected = backend.run(crops), open_backend(tmp_path / "model.onnx").run(crops)
    np.testing.assert_allclose(found.points, expected.points, atol=0.01)
    np.testing.assert_allclose(found.scores, expected.scores, atol=0.001)
    np.testing.assert_allclose(found.visibility, expected.visibility, atol=0.001)
    assert np.ptp(expected.points, axis=0).max() > 0.05  # the crops differ


def test_spec_and_words_stand_beside_the_graph(exported: Path) -> None:
    assert open_backend(exported).spec.to_json() == SPEC.to_json()
    about = json.loads(ncnn_files(exported)[2].read_text(encoding="utf-8"))
    assert about[USAGE_KEY].endswith(usage_in_words(SPEC))
    assert "Mat::PIXEL_RGB, 64, 64" in about[USAGE_KEY]


def test_half_weights_are_half_the_file(checkpoint: Path, exported: Path, tmp_path: Path) -> None:
    export_command(checkpoint, out=tmp_path / "half.param", target="ncnn", half_weights=True)
    half, whole = (ncnn_files(path)[1].stat().st_size for path in (tmp_path / "half.param", exported))
    assert 0.45 < half / whole < 0.55


def test_disagreement_leaves_nothing_behind(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ncnn_export, "measure_backend_parity", lambda *_: Parity(3.0, 0.0))
    with pytest.raises(EfficientFanError, match="disagrees with torch"):
        export_ncnn(checkpoint, tmp_path / "model.param")
    assert list(tmp_path.iterdir()) == []


def test_the_graph_is_a_param_file(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is a \.param file"):
        export_ncnn(checkpoint, tmp_path / "model.onnx")


def test_what_cannot_be_converted_is_said(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"model\.onnx: --format ncnn starts from the \.safetensors"):
        export_command(Path("model.onnx"), target="ncnn")
    monkeypatch.setattr("efficientfan.models.checkpoint.is_detector", lambda path: True)
    with pytest.raises(InputError, match="is a face detector"):
        export_command(checkpoint, target="ncnn")


@pytest.mark.parametrize("index", range(3))
def test_a_file_that_is_missing_or_damaged_is_named(copy: Path, index: int) -> None:
    file = ncnn_files(copy)[index]
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=rf"model\{file.suffix}"):
        NcnnBackend(copy)
    file.unlink()
    with pytest.raises(InputError, match=rf"model\{file.suffix}: no such file"):
        NcnnBackend(copy)


@pytest.mark.parametrize("options", [{"device": "gpu"}, {"precision": "bf16"}, {"threads": 0}])
def test_what_ncnn_does_not_do_is_refused(exported: Path, options: dict[str, object]) -> None:
    with pytest.raises(InputError):
        NcnnBackend(exported, **options)


def test_benchmark_has_a_row_for_it(exported: Path) -> None:
    (subject,) = choose_subjects([exported])
    assert subject.name == "model ncnn f32"
    assert subject.file_bytes == sum(file.stat().st_size for file in ncnn_files(exported)[:2])
    assert subject.open(1).run(np.zeros((2, 64, 64, 3), np.uint8)).points.shape == (2, 5, 2)
    assert macs_of(exported, 64) is None
