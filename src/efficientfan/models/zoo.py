"""The named networks of both papers, and any timm encoder besides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from torch import nn

from efficientfan.errors import InputError, unknown
from efficientfan.extension import OWN, is_reference, load_class
from efficientfan.models.decoder import UpsamplingDecoder
from efficientfan.models.encoder import Encoder, Initialization
from efficientfan.models.head import HEADS, VisibilityHead
from efficientfan.models.network import LandmarkNet

__all__ = ["NetworkConfig", "build_network", "check_network", "list_networks", "network_config"]

TIMM_PREFIX = "timm/"


@dataclass(frozen=True)
class NetworkConfig:
    """What a named network is made of.

    Attributes:
        encoder: timm's name.
        decoder_channels, kernel, stages: of `UpsamplingDecoder`.
        head: "heatmap", "integral", or your own as "FILE.py:Class" or "package.module:Class": a module that is made
            with (input channels, landmarks).
        lateral: whether the encoder's finer maps help the decoder, see `UpsamplingDecoder`.
        mixing: whether the decoder's stages end with a depthwise 3x3 convolution, see `UpsamplingDecoder`.
        visibility: with a `VisibilityHead` besides.
        padding: "same", as of encoders from TensorFlow and Keras; empty for timm's own, symmetric one.
        about: one line for people.
    """

    encoder: str
    decoder_channels: int = 128
    kernel: int = 2
    stages: int = 3
    head: str = "heatmap"
    lateral: bool = False
    mixing: bool = False
    visibility: bool = False
    padding: str = ""
    about: str = ""


NETWORKS: Mapping[str, NetworkConfig] = {
    "mobilefan": NetworkConfig(
        "mobilenetv2_100", about="MobileFAN: MobileNetV2, three 2x2 transposed convolutions"
    ),
    "mobilefan_050": NetworkConfig(
        "mobilenetv2_050", about="MobileFAN (0.5): half-width MobileNetV2 encoder"
    ),
    "tinyfan": NetworkConfig(
        "mobilenetv4_conv_small", 96, about="the fastest: MobileNetV4's small encoder, 96 decoder channels"
    ),
    "efficientfan_b0": NetworkConfig(
        "efficientnet_b0", head="integral", about="EfficientFAN: EfficientNet-B0, integral head"
    ),
    "efficientfan_lite0": NetworkConfig(
        "tf_efficientnet_lite0",
        lateral=True,
        about="our best: EfficientNet-Lite0 from ImageNet, lateral maps; MobileFAN's head, not the integral one",
    ),
    "teacher_resnet50": NetworkConfig(
        "resnet50", 256, 4, about="MobileFAN's teacher: ResNet-50, 256 channels"
    ),
    "teacher_efficientnet_b7": NetworkConfig(
        "efficientnet_b7",
        256,
        4,
        head="integral",
        about="EfficientFAN's teacher: EfficientNet-B7, 256 channels",
    ),
    "teacher_lite2": NetworkConfig(
        "tf_efficientnet_lite2",
        256,
        lateral=True,
        about="a teacher that two cores can train: EfficientNet-Lite2, 256 channels, lateral maps",
    ),
}


def list_networks() -> list[str]:
    """Names that `build_network` knows; `timm/ENCODER` works besides."""
    return list(NETWORKS)


def network_config(name: str, **overrides: Any) -> NetworkConfig:
    """What the network `name` is made of, with single fields replaced.

    Raises:
        InputError: unknown name, field or head.
    """
    if name.startswith(TIMM_PREFIX):
        config = NetworkConfig(
            name.removeprefix(TIMM_PREFIX), about="a timm encoder with MobileFAN's decoder"
        )
    elif name in NETWORKS:
        config = NETWORKS[name]
    else:
        raise unknown("network", name, NETWORKS, f"{TIMM_PREFIX}ENCODER, or {OWN}")
    for key in overrides:
        if key not in (known := [field.name for field in fields(NetworkConfig)]):
            raise unknown(f"option of network {name!r}:", key, known)
    config = replace(config, **overrides)
    _find_head(config.head)
    return config


def _find_head(name: str) -> Callable[[int, int], nn.Module]:
    if is_reference(name):
        return load_class(name, nn.Module, "head")
    if name not in HEADS:
        raise unknown("head", name, HEADS, OWN)
    return HEADS[name]


def check_network(name: str, **overrides: Any) -> None:
    """Check that `build_network` knows a network and, unless it is the user's own, its options.

    Raises:
        InputError: unknown name, field or head; or code that cannot be loaded.
    """
    if _is_own(name):
        load_class(name, LandmarkNet, "network")
    else:
        network_config(name, **overrides)


def _is_own(name: str) -> bool:
    return is_reference(name) and not name.startswith(TIMM_PREFIX)


def build_network(
    name: str, n_landmarks: int, *, init: Initialization = "scratch", **overrides: Any
) -> LandmarkNet:
    """Build a network by name.

    Args:
        name: one of `list_networks()`, or "timm/ENCODER"; or your own subclass of `LandmarkNet` as "FILE.py:Class" or
            "package.module:Class", which is made with (n_landmarks, init=init, **overrides).
        n_landmarks: K.
        init: how the encoder starts, see `Encoder`.
        overrides: fields of `NetworkConfig` to replace, such as kernel=4.

    Raises:
        InputError: unknown name, field or head; or code that cannot be loaded.
        MissingDependencyError: ImageNet weights were asked for and cannot be had.
    """
    if _is_own(name):
        own: Callable[..., LandmarkNet] = load_class(name, LandmarkNet, "network")
        try:
            return own(n_landmarks, init=init, **overrides)
        except TypeError as error:
            raise InputError(f"network {name!r}: {error}") from error
    config = network_config(name, **overrides)
    encoder = Encoder(
        config.encoder, init, levels=1 + config.stages if config.lateral else 1, padding=config.padding
    )
    if config.lateral and encoder.strides != [encoder.stride >> i for i in range(config.stages, -1, -1)]:
        raise InputError(
            f"network {name!r}: lateral maps of {config.stages} stages must halve in stride each; this encoder's have "
            f"{encoder.strides}"
        )
    decoder = UpsamplingDecoder(
        encoder.channels,
        config.decoder_channels,
        config.kernel,
        config.stages,
        laterals=encoder.level_channels[:-1][::-1],
        mixing=config.mixing,
    )
    head = _find_head(config.head)(config.decoder_channels, n_landmarks)
    visibility = VisibilityHead(encoder.channels, n_landmarks) if config.visibility else None
    return LandmarkNet(encoder, decoder, head, visibility)
