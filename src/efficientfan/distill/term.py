"""`DistillationTerm`: a comparison of student and teacher, and the names of the maps that it may compare."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from efficientfan.errors import InputError
from efficientfan.losses.objective import Batch, weighted_mean
from efficientfan.models import LandmarkNet, NetworkOutput

__all__ = [
    "HEATMAPS",
    "Channels",
    "DistillationTerm",
    "at_least_float32",
    "channels_of",
    "level_names",
    "maps_at",
]

HEATMAPS = "heatmaps"


def level_names(n_stages: int) -> tuple[str, ...]:
    """encoder, stage1, ..., heatmaps: the names of `NetworkOutput.features`, coarse to fine, and the last."""
    return ("encoder", *(f"stage{stage}" for stage in range(1, n_stages + 1)), HEATMAPS)


def maps_at(output: NetworkOutput, level: str) -> Tensor:
    """The map (N, C, H, W) of a level."""
    names = level_names(len(output.features) - 1)
    return (*output.features, output.heatmaps)[names.index(level)]


def channels_of(network: LandmarkNet, n_landmarks: int) -> dict[str, int]:
    """Channels of each level of a network."""
    names = level_names(len(network.decoder.stages))
    return dict(zip(names, (*network.feature_channels, n_landmarks), strict=True))


def at_least_float32(maps: Tensor) -> Tensor:
    """Half precision, as autocast leaves it, made float32; anything wider as it is."""
    return maps.to(torch.promote_types(maps.dtype, torch.float32))


@dataclass(frozen=True)
class Channels:
    """Channels of each level, by its name."""

    student: Mapping[str, int]
    teacher: Mapping[str, int]


class DistillationTerm(nn.Module, ABC):
    """Base of all terms: the sum of `compare` over the term's levels.

    A term of your own is a subclass with `compare` (and `__init__`, if it has adapters or options); a recipe
    names it as `kind: package.module:Class`.

    Attributes:
        needs_labels: whether it looks at the labels of a batch (`points`, `weights`), which some faces lack.

    Args:
        channels: of both networks, for adapters.
        levels: which maps to compare; `default_levels` if None.

    Raises:
        InputError: a level that the networks do not have.
    """

    default_levels: ClassVar[tuple[str, ...]]
    needs_labels: ClassVar[bool] = False

    def __init__(self, channels: Channels, levels: Sequence[str] | None = None) -> None:
        super().__init__()
        self.levels = tuple(levels or self.default_levels)
        for level in self.levels:
            if level not in channels.student:
                known = ", ".join(channels.student)
                raise InputError(f"{type(self).__name__}: no level {level!r}; the networks have {known}")

    def forward(self, student: NetworkOutput, teacher: NetworkOutput, batch: Batch) -> Tensor:
        """Scalar; it is 0 where student and teacher agree, and has no gradient for the teacher.

        Raises:
            InputError: `compare` returned neither a scalar nor one value per face.
        """
        parts = []
        for level in self.levels:
            ours, theirs = (at_least_float32(maps_at(output, level)) for output in (student, teacher))
            part = self.compare(level, ours, theirs, batch)
            if part.ndim and part.shape != batch.face_weights.shape:
                raise InputError(
                    f"{type(self).__name__}.compare returns a scalar, or one value for each of the "
                    f"{len(batch.face_weights)} faces, not {tuple(part.shape)}"
                )
            parts.append(weighted_mean(part, batch.face_weights.to(part.dtype)) if part.ndim else part)
        return torch.stack(parts).sum()

    @abstractmethod
    def compare(self, level: str, student: Tensor, teacher: Tensor, batch: Batch) -> Tensor:
        """How far two maps (N, C, H, W) of the same H and W differ; C may differ, except for the heatmaps.

        Returns:
            (N,), one value per face, which is averaged by `Batch.face_weights`; or a scalar, where the term weighs the
            faces itself (by `Batch.teaching`).
        """
