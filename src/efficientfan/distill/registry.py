"""Terms by name."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from efficientfan.distill.attention_transfer import AttentionTransfer
from efficientfan.distill.channel_wise import ChannelWise
from efficientfan.distill.feature_aligned import FeatureAligned
from efficientfan.distill.feature_similarity import FeatureSimilarity
from efficientfan.distill.patch_similarity import PatchSimilarity
from efficientfan.distill.pearson import Pearson
from efficientfan.distill.soft_heatmaps import SoftHeatmaps
from efficientfan.distill.term import DistillationTerm
from efficientfan.errors import InputError

__all__ = ["TERMS", "find_term"]

TERMS: Mapping[str, type[DistillationTerm]] = {
    "fa": FeatureAligned,
    "fs": FeatureSimilarity,
    "ps": PatchSimilarity,
    "at": AttentionTransfer,
    "soft": SoftHeatmaps,
    "cwd": ChannelWise,
    "pkd": Pearson,
}


def find_term(kind: str) -> type[DistillationTerm]:
    """The class of a key of `TERMS`, or of your own term as "package.module:Class".

    Raises:
        InputError: no such term, or not a `DistillationTerm`.
    """
    if kind in TERMS:
        return TERMS[kind]
    module, colon, name = kind.partition(":")
    if not colon:
        raise InputError(
            f"unknown distillation term {kind!r}; known are {', '.join(TERMS)} and package.module:Class"
        )
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(
            f"distillation term {kind!r} cannot be imported ({error}); install it, or set PYTHONPATH to its folder"
        ) from error
    if not (isinstance(found, type) and issubclass(found, DistillationTerm)):
        raise InputError(
            f"distillation term {kind!r} is not a subclass of efficientfan.distill.DistillationTerm"
        )
    return found
