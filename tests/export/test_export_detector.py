"""An exported detector must say what torch says, or not be there."""

from __future__ import annotations

import shutil
from copy import deepcopy
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from efficientfan.errors import EfficientFanError
from efficientfan.export import detector as module
from efficientfan.export import export_detector
from efficientfan.export.detector import DetectorExport, DetectorParity
from efficientfan.models.detector import DeployedDetector, FaceDetectorNet, TopDownDecoder
from efficientfan.spec import METADATA_KEY, DetectorSpec

SPEC = DetectorSpec(
    name="tiny", network={"name": "none"}, stride=4, multiple=8, long_sides=(64,), license="none"
)


class SmallEncoder(nn.Module):
    """Enough of an encoder to make a FaceDetectorNet in milliseconds."""

    level_channels, strides = (8, 8), (4, 8)

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Conv2d(3, 8, 4, 4)
        self.coarse = nn.Conv2d(8, 8, 2, 2)

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        fine = self.fine(images).relu()
        return [fine, self.coarse(fine)]


@pytest.fixture(scope="module")
def made() -> FaceDetectorNet:
    torch.manual_seed(0)
    encoder = SmallEncoder()
    network = FaceDetectorNet(encoder, TopDownDecoder(encoder.level_channels, 48)).eval()
    nn.init.normal_(network.center.weight)  # a trained map of centers is not nearly flat
    return network


@pytest.fixture(scope="module")
def files(made: FaceDetectorNet, tmp_path_factory: pytest.TempPathFactory) -> dict[str, DetectorExport]:
    """Exports are slow: one whole, of another threshold, and one with half weights."""
    folder = tmp_path_factory.mktemp("detector")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "load_detector_checkpoint", lambda _: (made, SPEC))
        return {
            "whole": export_detector("any", folder / "whole.onnx", score_threshold=0.75),
            "half": export_detector("any", folder / "half.onnx", half_weights=True),
        }


@pytest.fixture
def network(
    made: FaceDetectorNet, files: dict[str, DetectorExport], monkeypatch: pytest.MonkeyPatch
) -> FaceDetectorNet:
    """A copy to spoil, which any checkpoint holds, while the exporter goes on writing what it was."""
    copy = deepcopy(made)
    monkeypatch.setattr(module, "load_detector_checkpoint", lambda _: (copy, SPEC))
    monkeypatch.setattr(module, "_write", lambda *args, **_: shutil.copyfile(files["whole"].path, args[-1]))
    return copy


def parity_of(network: FaceDetectorNet, path: Path) -> DetectorParity:
    return module.measure_detector_parity(
        DeployedDetector(network, SPEC).eval(), module._file_run(path), SPEC
    )


def test_the_file_says_what_torch_says_at_any_size(
    made: FaceDetectorNet, files: dict[str, DetectorExport]
) -> None:
    report = files["whole"]
    assert report.parity.within(1e-4)
    assert report.size_bytes == report.path.stat().st_size
    picture = np.random.default_rng(0).integers(0, 256, (1, 56, 24, 3), dtype=np.uint8)
    session = onnxruntime.InferenceSession(str(report.path), providers=["CPUExecutionProvider"])
    boxes, scores, points = session.run(["boxes", "scores", "points"], {"images": picture})
    with torch.no_grad():
        expected = DeployedDetector(made, SPEC).eval()(torch.from_numpy(picture))
    np.testing.assert_allclose(boxes, expected[0], atol=1e-4)
    np.testing.assert_allclose(scores, expected[1], atol=1e-5)
    np.testing.assert_allclose(points, expected[2], atol=1e-4)
    assert (scores > 0).any()


@pytest.mark.parametrize(
    ("layer", "output", "same"),
    [("box", "boxes", "scores"), ("center", "scores", "boxes"), ("points", "points", "boxes")],
)
def test_a_changed_weight_is_seen(
    network: FaceDetectorNet, files: dict[str, DetectorExport], layer: str, output: str, same: str
) -> None:
    with torch.no_grad():
        getattr(network, layer).bias += 1
    parity = parity_of(network, files["whole"].path)
    assert getattr(parity, output) > 0.01
    assert getattr(parity, same) < 1e-4
    assert not parity.within(0.01)


def test_other_cells_are_no_agreement(network: FaceDetectorNet, files: dict[str, DetectorExport]) -> None:
    with torch.no_grad():
        network.center.weight.neg_()
    assert parity_of(network, files["whole"].path).scores == np.inf


@pytest.mark.parametrize(
    ("layer", "channels"), [("center", slice(0, 1)), ("box", slice(1, 5)), ("points", slice(5, 15))]
)
def test_nan_on_both_sides_is_no_agreement(
    network: FaceDetectorNet,
    files: dict[str, DetectorExport],
    layer: str,
    channels: slice,
    tmp_path: Path,
) -> None:
    graph = onnx.load(files["whole"].path)
    (bias,) = (each for each in graph.graph.initializer if list(each.dims) == [15])  # of the three heads
    values = numpy_helper.to_array(bias).copy()
    values[channels] = np.nan
    bias.CopyFrom(numpy_helper.from_array(values, bias.name))
    onnx.save(graph, tmp_path / "nan.onnx")
    with torch.no_grad():
        getattr(network, layer).bias.fill_(float("nan"))
    assert not parity_of(network, tmp_path / "nan.onnx").within(1e9)


@pytest.mark.parametrize(
    "parity", [DetectorParity(np.nan, 0, 0), DetectorParity(0, np.nan, 0), DetectorParity(0, 0, 2)]
)
def test_what_is_not_within(parity: DetectorParity) -> None:
    assert not parity.within(1)
    assert DetectorParity(1, 0.5, 0.2).within(1)


@pytest.mark.parametrize("before", [[], ["tiny.onnx"]])
def test_disagreement_leaves_all_as_it_was(
    network: FaceDetectorNet, before: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "tiny.onnx"
    for name in before:
        (tmp_path / name).write_bytes(b"older")
    with torch.no_grad():
        network.box.bias.fill_(float("nan"))
    with pytest.raises(EfficientFanError, match=r"tiny\.onnx: not written; .* disagrees with torch"):
        export_detector("any", out, tolerance=1e9)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [(n, b"older") for n in before]


@pytest.mark.parametrize(("file", "threshold"), [("whole", 0.75), ("half", SPEC.score_threshold)])
def test_the_score_threshold_is_in_the_file(
    files: dict[str, DetectorExport], file: str, threshold: float
) -> None:
    metadata = {entry.key: entry.value for entry in onnx.load(files[file].path).metadata_props}
    assert DetectorSpec.from_json(metadata[METADATA_KEY]).score_threshold == threshold


def test_half_weights_are_smaller_and_nearly_the_same(files: dict[str, DetectorExport]) -> None:
    whole, half = files["whole"], files["half"]
    kinds = [tensor.data_type for tensor in onnx.load(half.path).graph.initializer]
    halves = kinds.count(onnx.TensorProto.FLOAT16)
    assert halves > 0
    assert half.size_bytes < whole.size_bytes - 1024 * halves  # of two bytes for each of 1024 numbers or more
    assert whole.parity.boxes < half.parity.boxes < 0.2
