"""Fine-tuning starts from a checkpoint's weights, or says why it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from efficientfan.errors import InputError
from efficientfan.models import build_network, save_checkpoint, start_from
from efficientfan.schema import get_schema
from efficientfan.spec import ModelSpec

FIVE = get_schema("five")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("start") / "model.safetensors"
    spec = ModelSpec("former", {"name": "mobilefan_050"}, FIVE, 64, 4, 0.25, {"name": "softargmax"})
    save_checkpoint(path, build_network("mobilefan_050", 5), spec)
    return path


def test_same_network_gets_all_weights(checkpoint: Path) -> None:
    first, second = build_network("mobilefan_050", 5), build_network("mobilefan_050", 5)
    start_from(checkpoint, first, FIVE)
    start_from(checkpoint, second, FIVE)
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name]), name


def test_new_head_stays_fresh(checkpoint: Path) -> None:
    network = build_network("mobilefan_050", 5, visibility=True)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    start_from(checkpoint, network, FIVE)
    changed = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}
    assert any(name.startswith("encoder") for name in changed)
    assert not any(name.startswith("visibility") for name in changed)
    assert any(name.startswith("visibility") for name in before)


def test_a_visibility_head_without_a_place_is_left_out(tmp_path: Path) -> None:
    seeing = build_network("mobilefan_050", 5, visibility=True)
    options = {"name": "mobilefan_050", "visibility": True}
    spec = ModelSpec("former", options, FIVE, 64, 4, 0.25, {"name": "softargmax"})
    save_checkpoint(tmp_path / "seeing.safetensors", seeing, spec)
    network = build_network("mobilefan_050", 5)
    start_from(tmp_path / "seeing.safetensors", network, FIVE)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, seeing.state_dict()[name]), name


def test_another_network_is_refused(checkpoint: Path) -> None:
    with pytest.raises(InputError, match=r"model\.safetensors: \d+ of its weights do not fit"):
        start_from(checkpoint, build_network("mobilefan", 5), FIVE)


def test_another_schema_is_refused(checkpoint: Path) -> None:
    with pytest.raises(InputError, match="landmarks of 'five', but 'ibug68'"):
        start_from(checkpoint, build_network("mobilefan_050", 68), get_schema("ibug68"))
