"""The encoder: any timm network that gives feature maps, cut at its last one."""

from __future__ import annotations

import logging
from typing import Any, Literal, cast

from torch import Tensor, nn

from efficientfan.errors import InputError, MissingDependencyError
from efficientfan.models.torchvision_guard import declare_torchvision_operators

__all__ = ["Encoder", "Initialisation"]

logger = logging.getLogger(__name__)

Initialisation = Literal["scratch", "imagenet", "auto"]


class Encoder(nn.Module):
    """A timm network up to its last feature map; classifier and wide last convolution are dropped.

    Args:
        name: timm's name, such as "mobilenetv2_100".
        init: "scratch"; "imagenet", timm's pretrained weights or an error; "auto", ImageNet where they can be
            had and from scratch otherwise, said in the log.
        options: further arguments of `timm.create_model`.

    Attributes:
        channels: channels of the feature map.
        stride: input pixels per feature cell.

    Raises:
        InputError: timm has no such network, or not as a feature extractor.
        MissingDependencyError: ImageNet weights were asked for and cannot be had.
    """

    def __init__(self, name: str, init: Initialisation = "scratch", **options: Any) -> None:
        super().__init__()
        self.backbone = _create(name, init, options)
        features: Any = self.backbone.feature_info  # timm's own table, not a tensor
        self.channels: int = features.channels()[-1]
        self.stride: int = features.reduction()[-1]

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) normalised RGB to (N, channels, H / stride, W / stride)."""
        return cast(Tensor, self.backbone(images)[-1])


def _create(name: str, init: Initialisation, options: dict[str, Any]) -> nn.Module:
    declare_torchvision_operators()
    import timm

    if not timm.is_model(name):
        similar = ", ".join(timm.list_models(f"*{name}*")[:5]) or "see timm.list_models()"
        raise InputError(f"timm has no encoder {name!r}; similar: {similar}")

    def create(pretrained: bool) -> nn.Module:
        try:
            # The last index alone: shallower maps are not used, and deeper layers are cut off.
            return cast(
                nn.Module,
                timm.create_model(
                    name, pretrained=pretrained, features_only=True, out_indices=(-1,), **options
                ),
            )
        except (RuntimeError, TypeError, AttributeError, AssertionError) as error:
            if pretrained:
                raise
            raise InputError(f"timm cannot use {name!r} as an encoder: {error}") from error

    if init == "scratch":
        logger.info("encoder %s starts from scratch", name)
        return create(False)
    try:
        backbone = create(True)
    except Exception as error:  # timm and its hub raise many kinds: no network, no such file, no such weights
        if init == "imagenet":
            raise MissingDependencyError(
                f"ImageNet weights of {name!r} cannot be had here ({type(error).__name__}: {error}); connect to "
                "the network once, or train from scratch with init=scratch"
            ) from error
        logger.warning("encoder %s: ImageNet weights cannot be had here; it starts from scratch", name)
        return create(False)
    logger.info("encoder %s starts from ImageNet weights", name)
    return backbone
