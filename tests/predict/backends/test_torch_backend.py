"""A checkpoint on torch says what its exported file says."""

import numpy as np
import pytest
import torch

from efficientfan.errors import InputError, MissingDependencyError
from efficientfan.export import export_onnx
from efficientfan.models import build_network, save_checkpoint
from efficientfan.predict import OnnxBackend
from efficientfan.predict.backends.torch import TorchBackend
from efficientfan.schema import get_schema
from efficientfan.spec import ModelSpec

SIZE = 64


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A network that was not trained, but whose heatmaps have peaks."""
    torch.manual_seed(0)
    network = build_network("mobilefan_050", 5, visibility=True)
    torch.nn.init.normal_(network.head.conv.weight, std=3)
    spec = ModelSpec(
        name="test", network={"name": "mobilefan_050", "visibility": True}, schema=get_schema("five"), input_size=SIZE,
        stride=4, crop_margin=0.25, decoder={"name": "softargmax"},
    )  # fmt: skip
    path = tmp_path_factory.mktemp("checkpoint") / "model.safetensors"
    save_checkpoint(path, network, spec)
    return path


@pytest.fixture(scope="module")
def crops():
    return np.random.default_rng(0).integers(0, 256, (4, SIZE, SIZE, 3), np.uint8)


def test_it_agrees_with_the_exported_file(checkpoint, crops, tmp_path):
    expected = OnnxBackend(export_onnx(checkpoint, tmp_path / "model.onnx").path, threads=1).run(crops)
    assert np.ptp(expected.points, axis=1).min() > 1  # nothing would differ among points in the middle
    found = TorchBackend(checkpoint).run(crops)
    np.testing.assert_allclose(found.points, expected.points, atol=0.01)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-3)
    np.testing.assert_allclose(found.visibility, expected.visibility, atol=1e-4)


def test_a_face_does_not_depend_on_its_batch(checkpoint, crops):
    backend = TorchBackend(checkpoint)
    together = backend.run(crops).points
    for index in range(len(crops)):
        np.testing.assert_allclose(
            backend.run(crops[index : index + 1]).points[0], together[index], atol=0.01
        )


def test_bf16_is_near_and_said(checkpoint, crops):
    """The network is not trained: a random one magnifies rounding far more than a trained one."""
    half = TorchBackend(checkpoint, precision="bf16")
    assert half.precision == "bf16"
    found = half.run(crops)
    assert found.points.dtype == np.float32
    off = np.abs(found.points - TorchBackend(checkpoint).run(crops).points)
    assert 1e-4 < off.mean() < 1


def test_no_crops_give_no_points(checkpoint):
    found = TorchBackend(checkpoint).run(np.zeros((0, SIZE, SIZE, 3), np.uint8))
    assert found.points.shape == (0, 5, 2)
    assert found.visibility.shape == (0, 5, 3)


def test_a_view_of_an_array_is_as_good_as_a_copy(checkpoint, crops):
    backend, mirrored = TorchBackend(checkpoint), crops[:, :, ::-1]
    np.testing.assert_array_equal(
        backend.run(mirrored).points, backend.run(np.ascontiguousarray(mirrored)).points
    )


def test_threads_are_borrowed_not_kept(checkpoint, crops):
    before = torch.get_num_threads()
    backend = TorchBackend(checkpoint, threads=before + 1)
    backend.run(crops[:1])
    assert backend.threads == before + 1
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("device", ["gpu", "cpu:0", "cuda:", "cuda:x", "mps:1", ""])
def test_unknown_devices_are_refused(checkpoint, device):
    with pytest.raises(InputError, match="torch runs on"):
        TorchBackend(checkpoint, device)


def test_missing_devices_are_errors(checkpoint, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(MissingDependencyError, match="no CUDA"):
        TorchBackend(checkpoint, "cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(MissingDependencyError, match="there are 2"):
        TorchBackend(checkpoint, "cuda:2")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(MissingDependencyError, match="no Apple GPU"):
        TorchBackend(checkpoint, "mps")


def test_other_crops_are_refused(checkpoint):
    with pytest.raises(InputError, match=r"crops are \(N, 64, 64, 3\) uint8"):
        TorchBackend(checkpoint).run(np.zeros((1, SIZE, SIZE, 3), np.float32))
