"""Exported graphs must say what torch says, whatever the decoder and the batch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from efficientfan.codec import DECODERS
from efficientfan.errors import EfficientFanError, InputError
from efficientfan.export import export_onnx
from efficientfan.export import onnx as onnx_export
from efficientfan.export.parity import Parity, measure_parity
from efficientfan.models import LandmarkNet, build_network, save_checkpoint
from efficientfan.models.decoder import UpsamplingDecoder
from efficientfan.models.deployed import DeployedNet
from efficientfan.models.head import HEADS, VisibilityHead
from efficientfan.predict import OnnxBackend
from efficientfan.schema import get_schema
from efficientfan.spec import METADATA_KEY, ModelSpec


def make_spec(decoder: str, network: str = "mobilefan_050", size: int = 64) -> ModelSpec:
    return ModelSpec(
        name="test", network={"name": network}, schema=get_schema("five"), input_size=size, stride=4,
        crop_margin=0.25, decoder={"name": decoder}, license="none",
    )  # fmt: skip


class SmallEncoder(nn.Module):
    """Enough of an encoder to make a LandmarkNet in milliseconds."""

    channels, stride = 8, 32

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 32, 32)

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        return [self.conv(images)]


def small_network(head: str) -> LandmarkNet:
    torch.manual_seed(0)
    network = LandmarkNet(SmallEncoder(), UpsamplingDecoder(8, 8, 4), HEADS[head](8, 5))
    nn.init.normal_(network.head.conv.weight)  # a trained head is not nearly flat
    return network.eval()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("checkpoint") / "model.safetensors"
    save_checkpoint(path, build_network("mobilefan_050", 5), make_spec("softargmax"))
    return path


@pytest.fixture(scope="module")
def exported(checkpoint: Path) -> Path:
    return export_onnx(checkpoint, checkpoint.with_suffix(".onnx")).path


def test_exported_file_carries_its_spec_and_nothing_of_this_machine(exported: Path) -> None:
    model = onnx.load(exported)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert ModelSpec.from_json(metadata[METADATA_KEY]).to_json() == make_spec("softargmax").to_json()
    content = exported.read_bytes()
    assert b"site-packages" not in content
    assert str(Path(__file__).parents[2]).encode() not in content


def test_name_and_score_threshold_can_be_set_at_export(checkpoint: Path, tmp_path: Path) -> None:
    export_onnx(checkpoint, tmp_path / "model.onnx", name="mine", score_threshold=0.7)
    spec = replace(make_spec("softargmax"), name="mine", score_threshold=0.7)
    assert OnnxBackend(tmp_path / "model.onnx").spec.to_json() == spec.to_json()


@pytest.mark.parametrize("faces", [1, 3, 8])
def test_any_number_of_faces(exported: Path, faces: int) -> None:
    session = onnxruntime.InferenceSession(str(exported), providers=["CPUExecutionProvider"])
    crops = np.random.default_rng(0).integers(0, 256, (faces, 64, 64, 3), dtype=np.uint8)
    points, scores = session.run(["points", "scores"], {"crops": crops})
    assert points.shape == (faces, 5, 2)
    assert points.dtype == scores.dtype == np.float32
    assert scores.min() >= 0
    assert scores.max() <= 1
    alone, _ = session.run(["points", "scores"], {"crops": crops[:1]})
    np.testing.assert_allclose(points[:1], alone, atol=1e-3)


@pytest.mark.parametrize("decoder", DECODERS)
def test_every_decoder_exports(decoder: str, tmp_path: Path) -> None:
    network, spec = small_network("integral" if decoder == "integral" else "heatmap"), make_spec(decoder)
    onnx_export._write_graph(network, spec, tmp_path / "model.onnx")
    parity = measure_parity(DeployedNet(network, spec).eval(), tmp_path / "model.onnx", spec)
    assert parity.points < 1e-3
    assert parity.scores < 1e-5


@pytest.mark.parametrize("told", [False, True])
def test_visibility_is_an_output_where_the_network_has_that_head(told: bool, tmp_path: Path) -> None:
    spec = replace(make_spec("softargmax"), network={"name": "small", "visibility": told})
    network = small_network("heatmap")
    network.visibility = VisibilityHead(8, 5) if told else None
    if told:
        nn.init.normal_(network.visibility.conv.weight)
    onnx_export._write_graph(network.eval(), spec, tmp_path / "model.onnx")
    parity = measure_parity(DeployedNet(network, spec).eval(), tmp_path / "model.onnx", spec)
    assert parity.within(1e-3)
    found = OnnxBackend(tmp_path / "model.onnx").run(np.full((3, 64, 64, 3), 99, np.uint8))
    assert (found.visibility is not None) == told
    if told:
        assert found.visibility.shape == (3, 5, 3)
        np.testing.assert_allclose(found.visibility.sum(axis=2), 1, atol=1e-6)
        with torch.no_grad():
            network.visibility.conv.bias[1] += 1
        parity = measure_parity(DeployedNet(network, spec).eval(), tmp_path / "model.onnx", spec)
        assert not parity.within(1e-3)
        assert parity.points < 1e-3


def test_parity_sees_a_difference(tmp_path: Path) -> None:
    network, spec = small_network("heatmap"), make_spec("softargmax")
    onnx_export._write_graph(network, spec, tmp_path / "model.onnx")
    with torch.no_grad():
        network.head.conv.weight.mul_(1.5)
    assert not measure_parity(DeployedNet(network, spec).eval(), tmp_path / "model.onnx", spec).within(0.01)


def test_nan_is_no_agreement() -> None:
    assert not Parity(float("nan"), 0.0).within(1.0)


def test_disagreement_leaves_nothing_behind(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_export, "measure_parity", lambda *_: Parity(3.0, 0.0))
    with pytest.raises(EfficientFanError, match="disagrees with torch"):
        export_onnx(checkpoint, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_damaged_checkpoint_is_named(checkpoint: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"damaged\.safetensors"):
        export_onnx(damaged, tmp_path / "model.onnx")
