"""The encoder: any timm network that gives feature maps, cut behind its last one."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor, nn

from efficientfan.errors import InputError, MissingDependencyError, did_you_mean, install_command
from efficientfan.models.imagenet import PACKAGES, EncoderFile, fill_encoder, packaged_file, packaged_weights
from efficientfan.models.torchvision_guard import declare_torchvision_operators
from efficientfan.spec import IMAGENET_MEAN, IMAGENET_STD

__all__ = ["INITIALIZATIONS", "Encoder", "Initialization", "check_initialization"]

logger = logging.getLogger(__name__)

INITIALIZATIONS = ("scratch", "imagenet", "auto")

Initialization: TypeAlias = str
"""One of `INITIALIZATIONS`, or the path of a `.safetensors` file with timm's names."""


def check_initialization(init: Initialization) -> Initialization:
    """The value itself, if it may say how an encoder starts; whether a file is there is seen when it is read.

    Raises:
        InputError: it may not.
    """
    if init not in INITIALIZATIONS and not init.endswith(".safetensors"):
        near = did_you_mean(init, INITIALIZATIONS)
        raise InputError(
            f"init is scratch, imagenet, auto or FILE.safetensors, not {init!r}" + (near and f";{near}")
        )
    return init


class Encoder(nn.Module):
    """A timm network up to its last feature map; classifier and wide last convolution are dropped.

    Args:
        name: timm's name, such as "mobilenetv2_100".
        init: "scratch"; "imagenet", the weights of an installed package (`efficientfan.models.imagenet`), else timm's
            pretrained ones, or an error; "auto", ImageNet where they can be had and from scratch otherwise, said in
            the log; or a `.safetensors` file with the weights of the encoder, or of a part of it, under timm's names.
        levels: how many of its last feature maps are wanted.
        padding: "same" pads as TensorFlow and Keras do, for weights from there; empty is timm's own way.
        stem: channels of the first convolution, of an encoder of MobileNetV4's kind that starts from scratch; None
            takes timm's. On large images it and its reader cost half of the narrow widths' time, since timm's widths
            leave it at 32 channels.

    Attributes:
        level_channels, strides: channels and input pixels per cell of those maps, fine to coarse.
        channels, stride: of the last.
        mean, std: three values each, of RGB in [0, 1]: the normalization that its weights were made for, as the
            file's metadata says, else as timm says of its ImageNet weights.

    Raises:
        InputError: timm has no such network, or not as a feature extractor; the file or its package's is damaged, or
            of another encoder.
        MissingDependencyError: ImageNet weights were asked for and cannot be had.
    """

    def __init__(
        self,
        name: str,
        init: Initialization = "scratch",
        *,
        levels: int = 1,
        padding: str = "",
        stem: int | None = None,
    ) -> None:
        super().__init__()
        if padding not in ("", "same"):
            raise InputError(f"padding is 'same', or empty, not {padding!r}")
        file = EncoderFile.read(Path(init)) if check_initialization(init) not in INITIALIZATIONS else None
        self.backbone = _create(name, file or init, levels, {"pad_type": padding} if padding else {})
        if stem is not None:
            if init != "scratch":
                raise InputError(
                    f"an encoder with a stem of {stem} channels starts from scratch, not from {init}"
                )
            _set_stem(self.backbone, name, stem)
        features: Any = self.backbone.feature_info  # timm's own table, not a tensor
        self.level_channels: list[int] = features.channels()[-levels:]
        self.strides: list[int] = features.reduction()[-levels:]
        self.channels = self.level_channels[-1]
        self.stride = self.strides[-1]
        said = None if file is None else file.normalization
        self.mean, self.std = said or _normalization(name)

    def forward(self, images: Tensor) -> list[Tensor]:
        """(N, 3, H, W) normalized RGB to its last maps, fine to coarse."""
        return cast(list[Tensor], self.backbone(images))


def _set_stem(backbone: Any, name: str, channels: int) -> None:
    """Another number of channels between the first convolution and the first block."""
    try:
        stem, reader = backbone.conv_stem, backbone.blocks[0][0].conv
        backbone.conv_stem = _resized(stem, stem.in_channels, channels)
        backbone.bn1 = type(backbone.bn1)(channels)
        backbone.blocks[0][0].conv = _resized(reader, channels, reader.out_channels)
    except (AttributeError, IndexError, TypeError) as error:
        raise InputError(
            f"the stem of {name!r} cannot be changed; it is none of MobileNetV4's kind"
        ) from error


def _resized(convolution: nn.Conv2d, inputs: int, outputs: int) -> nn.Conv2d:
    """A fresh convolution of the same kind, started as timm starts MobileNets."""
    if convolution.groups != 1 or convolution.bias is not None:
        raise TypeError("grouped, or with a bias")
    fresh = copy.deepcopy(convolution)
    fresh.in_channels, fresh.out_channels = inputs, outputs
    height, width = convolution.weight.shape[2:]
    fresh.weight = nn.Parameter(torch.empty(outputs, inputs, height, width))
    nn.init.normal_(fresh.weight, 0.0, math.sqrt(2 / (height * width * outputs)))
    return fresh


def _normalization(name: str) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    import timm

    config = timm.get_pretrained_cfg(name)
    if config is None:  # timm knows no weights of it
        return IMAGENET_MEAN, IMAGENET_STD
    (a, b, c), (d, e, f) = config.mean, config.std
    return (a, b, c), (d, e, f)


def _create(name: str, init: Initialization | EncoderFile, levels: int, options: dict[str, Any]) -> nn.Module:
    declare_torchvision_operators()
    import timm

    if not timm.is_model(name):
        similar = ", ".join(timm.list_models(f"*{name}*")[:5]) or "see timm.list_models()"
        raise InputError(f"timm has no encoder {name!r}; similar: {similar}")

    def create(pretrained: bool) -> nn.Module:
        try:
            # The last indices alone: shallower maps are not used, and deeper layers are cut off.
            wanted = tuple(range(-levels, 0))
            return cast(
                nn.Module,
                timm.create_model(
                    name, pretrained=pretrained, features_only=True, out_indices=wanted, **options
                ),
            )
        except (RuntimeError, TypeError, AttributeError, AssertionError, IndexError) as error:
            if pretrained:
                raise
            raise InputError(f"timm cannot use {name!r} as an encoder: {error}") from error

    if init == "scratch":
        return create(False)
    if isinstance(init, EncoderFile):
        backbone = create(False)
        fill_encoder(backbone, init)
        logger.info(
            "encoder %s starts from %s (input: %s)", name, init.path, init.note or "not said; as timm's"
        )
        if "padding 'same'" in init.note and not options:
            logger.warning(
                "%s: was trained with padding 'same'; add --set model.options.padding=same", init.path
            )
        return backbone
    file = packaged_file(name)
    if file is not None:
        backbone = create(False)
        weights = packaged_weights(file, timm.create_model(name).state_dict())
        _fill(backbone, weights, file)
        logger.info("encoder %s starts from the ImageNet weights of %s", name, file)
        return backbone
    try:
        backbone = create(True)
    except Exception as error:  # timm and its hub raise many kinds: no network, no such file, no such weights
        if init == "imagenet":
            raise MissingDependencyError(
                f"ImageNet weights of {name!r} cannot be had here ({type(error).__name__}: {error}); {_advice(name)}, "
                "or add --set model.init=FILE.safetensors with such weights, or --set model.init=scratch"
            ) from error
        logger.warning(
            "encoder %s: ImageNet weights cannot be had here; it starts from scratch (%s, or add --set "
            "model.init=FILE.safetensors)",
            name,
            _advice(name),
        )
        return create(False)
    logger.info("encoder %s starts from ImageNet weights", name)
    return backbone


def _advice(name: str) -> str:
    return install_command("imagenet") if name in PACKAGES else "connect to the network once"


def _fill(backbone: nn.Module, weights: Mapping[str, Tensor], file: Path) -> None:
    kept = {key: weights[key] for key in backbone.state_dict() if key in weights}
    lacking = [
        key
        for key in backbone.load_state_dict(kept, strict=False).missing_keys
        if not key.endswith("num_batches_tracked")
    ]
    if lacking:
        raise InputError(
            f"{file} lacks weights of this encoder, such as {lacking[0]}; this timm names them otherwise"
        )
