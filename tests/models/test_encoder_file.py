"""An encoder's weights out of a safetensors file: all, a part, none, or of another encoder."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from efficientfan.errors import InputError
from efficientfan.models import build_detector_network, build_network, save_checkpoint, start_from
from efficientfan.models.encoder import Encoder
from efficientfan.models.torchvision_guard import declare_torchvision_operators
from efficientfan.recipes import load_recipe
from efficientfan.schema import get_schema
from efficientfan.spec import IMAGENET_MEAN, IMAGENET_STD
from efficientfan.train.landmarks import build_spec, build_student

NAME = "mobilenetv2_035"
HALF = (0.5, 0.5, 0.5)


def whole(name: str = NAME) -> dict[str, Tensor]:
    """Random weights of timm's whole network, classifier included, under its names."""
    declare_torchvision_operators()
    import timm

    torch.manual_seed(5)
    state = timm.create_model(name).state_dict()
    return {key: torch.rand_like(each) for key, each in state.items() if each.is_floating_point()}


def write(path: Path, weights: dict[str, Tensor], **metadata: str) -> str:
    save_file(weights, path, metadata=metadata or None)
    return str(path)


@pytest.mark.parametrize("name", [NAME, "convnext_atto", "resnet18"])
@pytest.mark.parametrize("levels", [1, 3])
def test_an_encoder_starts_from_a_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, levels: int
) -> None:
    weights = whole(name)
    with caplog.at_level(logging.INFO):
        encoder = Encoder(name, write(tmp_path / "w.safetensors", weights), levels=levels)
    plain = {
        key.replace(".", "_"): each for key, each in weights.items()
    }  # a second opinion on timm's two ways
    found = {key: each for key, each in encoder.backbone.state_dict().items() if each.is_floating_point()}
    for key, each in found.items():
        assert torch.equal(each, plain[key.replace(".", "_")]), key
    assert f"{len(found)} of the encoder's {len(found)} tensors from" in caplog.text
    assert f"0 start fresh, {len(weights) - len(found)} of the file's have no place in it" in caplog.text


def test_a_part_fills_what_it_holds(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    weights = {
        key: each for key, each in whole().items() if key.startswith(("conv_stem.", "bn1.", "blocks.0."))
    }
    torch.manual_seed(1)
    fresh = Encoder(NAME).backbone.state_dict()
    torch.manual_seed(1)
    with caplog.at_level(logging.INFO):
        encoder = Encoder(NAME, write(tmp_path / "part.safetensors", weights))
    for key, each in encoder.backbone.state_dict().items():
        assert torch.equal(each, weights.get(key, fresh[key])), key
    total = sum(not key.endswith("num_batches_tracked") for key in fresh)
    assert f"{len(weights)} of the encoder's {total} tensors" in caplog.text
    assert f"{total - len(weights)} start fresh, 0 of the file's" in caplog.text


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (
            {"stem.weight": torch.zeros(2)},
            r"holds no weights .* like 'stem.weight', the encoder's like 'conv_stem",
        ),
        ({}, "its names are like 'none'"),
        (
            {"conv_stem.weight": torch.zeros(8, 3, 3, 3), "bn1.weight": torch.zeros(16)},
            r"of another encoder; 1 of 2 shapes differ: conv_stem\.weight 8 x 3 x 3 x 3, here 16 x 3 x 3 x 3$",
        ),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, weights: dict[str, Tensor], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Encoder(NAME, write(tmp_path / "w.safetensors", weights))


def test_many_differing_shapes_are_counted(tmp_path: Path) -> None:
    file = write(tmp_path / "w.safetensors", whole("mobilenetv2_050"))
    with pytest.raises(InputError, match=r"shapes differ: (\S+ [\dx ]+, here [\dx ]+(; )?){3} and \d+ more$"):
        Encoder(NAME, file)


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"\xff" * 64])
def test_what_is_no_safetensors_file_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "w.safetensors"
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"w\.safetensors: is not a whole safetensors file"):
        Encoder(NAME, str(file))
    with pytest.raises(InputError, match=r"nowhere\.safetensors: cannot be read"):
        Encoder(NAME, str(tmp_path / "nowhere.safetensors"))


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({}, (IMAGENET_MEAN, IMAGENET_STD)),  # timm's of this encoder
        ({"input": "RGB, ImageNet mean and std"}, (IMAGENET_MEAN, IMAGENET_STD)),
        ({"input": "RGB / 127.5 - 1; padding 'same'"}, (HALF, HALF)),
        ({"input": "BGR"}, (IMAGENET_MEAN, IMAGENET_STD)),
        ({"mean": "[0.1, 0.2, 0.3]", "std": "[1, 2, 3]"}, ((0.1, 0.2, 0.3), (1.0, 2.0, 3.0))),
    ],
)
def test_the_metadata_gives_the_normalization(
    tmp_path: Path, metadata: dict[str, str], expected: object
) -> None:
    encoder = Encoder(NAME, write(tmp_path / "w.safetensors", whole(), **metadata))
    assert (encoder.mean, encoder.std) == expected


@pytest.mark.parametrize(
    "metadata",
    [
        {"mean": "[0, 0, 0]"},
        {"mean": "[0, 0, 0]", "std": "[1, 1, 0]"},
        {"mean": "[0, 0]", "std": "[1, 1]"},
        {"mean": "gray", "std": "[1, 1, 1]"},
    ],
)
def test_a_normalization_that_is_none_is_refused(tmp_path: Path, metadata: dict[str, str]) -> None:
    with pytest.raises(InputError, match="must give mean and std as JSON lists of three"):
        Encoder(NAME, write(tmp_path / "w.safetensors", whole(), **metadata))


def test_padding_as_in_keras(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = write(tmp_path / "w.safetensors", whole(), input="RGB / 127.5 - 1; padding 'same'")
    build_network(f"timm/{NAME}", 68, init=file)
    assert "was trained with padding 'same'; add --set model.options.padding=same" in caplog.text
    caplog.clear()
    build_network(f"timm/{NAME}", 68, init=file, padding="same")
    assert not caplog.records
    same, symmetric = (build_network(f"timm/{NAME}", 68, padding=padding).eval() for padding in ("same", ""))
    same.load_state_dict(symmetric.state_dict())
    image = torch.rand(1, 3, 64, 64)
    assert not torch.equal(same(image).heatmaps, symmetric(image).heatmaps)
    with pytest.raises(InputError, match="padding is 'same', or empty, not 'valid'"):
        build_network(f"timm/{NAME}", 68, padding="valid")
    with pytest.raises(InputError, match="timm cannot use 'resnet18' as an encoder"):
        build_network("timm/resnet18", 68, padding="same")


def test_detectors_too(tmp_path: Path) -> None:
    file = write(tmp_path / "w.safetensors", whole(), input="RGB / 127.5 - 1")
    network = build_detector_network("facefinder", init=file, encoder=NAME, padding="same", stem=None)
    assert network.encoder.mean == HALF


def test_a_recipe_with_a_file(tmp_path: Path) -> None:
    file = write(tmp_path / "w.safetensors", whole(), input="RGB / 127.5 - 1")
    settings = [f"model.network=timm/{NAME}", f"model.init={file}", "model.input_size=64"]
    recipe = load_recipe("300w/mobilefan", settings)
    student = build_student(recipe)
    spec = build_spec(recipe, student)
    assert (spec.mean, spec.std) == (HALF, HALF)
    assert spec.provenance["recipe"]["model"]["init"] == "w.safetensors"

    # What goes on from it sees its crops as it did.
    save_checkpoint(tmp_path / "first.safetensors", student, spec)
    network = build_network(f"timm/{NAME}", 68)
    start_from(tmp_path / "first.safetensors", network, get_schema("ibug68"))
    assert (network.encoder.mean, network.encoder.std) == (HALF, HALF)
    with pytest.raises(InputError, match=r"is a whole network of efficientfan.*--set model\.start="):
        Encoder(NAME, str(tmp_path / "first.safetensors"))


@pytest.mark.parametrize(
    ("init", "message"),
    [
        (
            "imagnet",
            "init is scratch, imagenet, auto or FILE.safetensors, not 'imagnet'; did you mean 'imagenet'?",
        ),
        ("weights.pth", "init is scratch, imagenet, auto or FILE.safetensors, not 'weights.pth'"),
    ],
)
@pytest.mark.parametrize("recipe", ["300w/mobilefan", "facefinder"])
def test_any_other_init_is_refused(recipe: str, init: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        load_recipe(recipe, [f"model.init={init}"])
    assert str(caught.value) == f"{recipe}: model.init: {message}"
