"""`Teachers`: frozen networks beside the training state, and what they say of a batch on the student's grids."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from efficientfan.codec import build_decoder
from efficientfan.distill.term import HEATMAPS, channels_of, level_names
from efficientfan.errors import InputError
from efficientfan.models import LandmarkNet, NetworkOutput, channels_last, load_checkpoint
from efficientfan.models.network import Normalize
from efficientfan.schema import LandmarkSchema
from efficientfan.spec import ModelSpec

__all__ = ["Teacher", "Teachers", "load_teachers"]

logger = logging.getLogger(__name__)

_LEAST = 1e-12
"""Probability of a cell below which the logarithm is cut off."""


class Teacher:
    """A network that is only asked: always in eval mode, without gradients, under the caller's autocast.

    On purpose not an `nn.Module`: a module that holds it has none of its weights among its parameters or in
    its state, and cannot turn it to training mode. So optimizers, checkpoints, DDP and averages of the
    weights (whose deep copies share it) never meet it. It follows the crops to their device.

    Args:
        network: any.
        spec: its own input size, normalization and decoder.
        mirrored: whether its heatmaps are averaged with those of the mirrored crop. Features are not: a channel that
            knows the left eye of a crop says of the mirrored one where the other eye is.
    """

    def __init__(self, network: LandmarkNet, spec: ModelSpec, *, mirrored: bool = False) -> None:
        self.network = network.eval().requires_grad_(False)
        self.spec = spec
        self.mirrored = mirrored
        self.takes_logits = build_decoder(stride=spec.stride, **spec.decoder).takes_logits
        self._normalize = Normalize(spec.mean, spec.std)

    @torch.no_grad()
    def __call__(self, crops: Tensor) -> NetworkOutput:
        """(N, S, S, 3) uint8 RGB crops of its input size to its maps, on its own grids."""
        if next(self.network.parameters()).device != crops.device:
            self.network.to(crops.device)
            self._normalize.to(crops.device)
        output: NetworkOutput = self.network(self._normalize(crops))
        if not self.mirrored:
            return output
        mirrored = self.network(self._normalize(crops.flip(2))).heatmaps.float()
        mirrored = self._mirrored_back(mirrored)
        both = mean_heatmaps([output.heatmaps.float(), mirrored], self.takes_logits)
        return NetworkOutput(both, output.features, output.visibility)

    def _mirrored_back(self, maps: Tensor) -> Tensor:
        """Heatmaps of mirrored crops as those of the crops: cells and landmarks swapped, and leaning the same way.

        The network's landmarks lean to the right in either crop (`ModelSpec.mirror_offset`), so mirrored back they
        lean to the left; twice the offset takes them where the others are.
        """
        swapped = maps.flip(3)[:, torch.as_tensor(self.spec.schema.flip_indices, device=maps.device)]
        lean = self.spec.mirror_offset * self.spec.input_size / (1 + self.spec.crop_margin)
        cells = 2 * lean / self.spec.stride
        return on_heatmaps(swapped, self.takes_logits, lambda heights: shift_right(heights, cells))

    def __deepcopy__(self, memo: dict[int, Any]) -> Teacher:
        return self


class Teachers:
    """One or more teachers as one: mean heatmaps, and features side by side, on the grids of a student.

    Features are resampled bilinearly (with antialiasing where they shrink) and joined along the channels. Heatmaps are
    resampled and averaged as probabilities where the teachers' decoders take logits, and are their logarithms then;
    as they are otherwise. The one map of one teacher on the student's grid stays as it is.

    Args:
        teachers: all of the student's landmarks, with as many decoder stages, and with heatmaps of one kind.
        grids: level -> side of the student's map in cells, coarse to fine, the heatmaps last.

    Raises:
        InputError: no teachers, or some whose heatmaps take logits beside others whose do not.
    """

    def __init__(self, teachers: Sequence[Teacher], grids: Mapping[str, int]) -> None:
        if len({teacher.takes_logits for teacher in teachers}) != 1:
            kinds = ", ".join(f"{each.spec.name} {each.spec.decoder['name']}" for each in teachers)
            raise InputError(
                f"heatmaps of these teachers cannot be averaged: some are logits, some are not ({kinds or 'none'})"
            )
        self.teachers = tuple(teachers)
        self.grids = dict(grids)

    @property
    def crop_sides(self) -> frozenset[int]:
        """Sides in pixels of the crops that they take."""
        return frozenset(teacher.spec.input_size for teacher in self.teachers)

    @property
    def channels(self) -> dict[str, int]:
        """Channels of each level."""
        per_teacher = [channels_of(each.network, each.spec.schema.n_landmarks) for each in self.teachers]
        summed = {level: sum(channels[level] for channels in per_teacher) for level in self.grids}
        return summed | {HEATMAPS: per_teacher[0][HEATMAPS]}

    @torch.no_grad()
    def __call__(self, crops: Mapping[int, Tensor]) -> NetworkOutput:
        """What all say, without visibility.

        Args:
            crops: side -> (N, side, side, 3) uint8 RGB, of the same faces; see `crop_sides`.

        Raises:
            InputError: crops of a side are missing.
        """
        missing = self.crop_sides - crops.keys()
        if missing:
            raise InputError(
                f"a teacher takes crops of {min(missing)} pixels, which this batch does not carry"
            )
        outputs = [teacher(crops[teacher.spec.input_size]) for teacher in self.teachers]
        *levels, _ = self.grids
        features = tuple(
            torch.cat([resample(output.features[index], self.grids[level]) for output in outputs], dim=1)
            for index, level in enumerate(levels)
        )
        logits, side = self.teachers[0].takes_logits, self.grids[HEATMAPS]
        maps = [
            output.heatmaps
            if output.heatmaps.shape[3] == side
            else on_heatmaps(output.heatmaps, logits, lambda heights: resample(heights, side))
            for output in outputs
        ]
        return NetworkOutput(mean_heatmaps(maps, logits), features)

    def __deepcopy__(self, memo: dict[int, Any]) -> Teachers:
        return self


def resample(maps: Tensor, side: int) -> Tensor:
    """(N, C, H, W) to (N, C, side, side): cells keep their place in the crop, as in `efficientfan.geometry`."""
    if maps.shape[2:] == (side, side):
        return maps
    return F.interpolate(
        maps.float(), size=(side, side), mode="bilinear", align_corners=False, antialias=True
    )


def shift_right(maps: Tensor, cells: float) -> Tensor:
    """(N, C, H, W) moved by a number of cells, linear in between; zeros come in."""
    whole = math.floor(cells)
    part = cells - whole
    near, far = (F.pad(maps, (count, -count)) for count in (whole, whole + 1))
    return (1 - part) * near + part * far


def on_heatmaps(maps: Tensor, logits: bool, change: Callable[[Tensor], Tensor]) -> Tensor:
    """A linear change of heatmaps (N, K, H, W): of the probabilities of their cells, where they are logits."""
    if not logits:
        return change(maps.float())
    return change(maps.float().flatten(2).softmax(dim=2).view(maps.shape)).clamp(min=_LEAST).log()


def mean_heatmaps(maps: Sequence[Tensor], logits: bool) -> Tensor:
    """The mean of heatmaps (N, K, H, W), of the probabilities of their cells where they are logits."""
    if len(maps) == 1:
        return maps[0]
    if not logits:
        return torch.stack([each.float() for each in maps]).mean(dim=0)
    logs = torch.stack([each.float().flatten(2).log_softmax(dim=2) for each in maps])
    return (logs.logsumexp(dim=0) - math.log(len(maps))).view(maps[0].shape)


def load_teachers(
    paths: Sequence[str | Path], student: LandmarkNet, spec: ModelSpec, *, mirrored: bool = False
) -> Teachers:
    """Read teachers from `.safetensors` checkpoints, and check that each fits the student with this spec.

    A teacher may have another input size, normalization, width and stride; landmarks and the number of decoder stages
    must be the student's.

    Args:
        paths: at least one.
        student, spec: what is trained.
        mirrored: see `Teacher`.

    Raises:
        InputError: unreadable, or it does not fit.
    """
    teachers = []
    for path in paths:
        network, teacher_spec = load_checkpoint(path)
        _check_fit(student, spec, network, teacher_spec, where=str(path))
        logger.info("teacher %s from %s", teacher_spec.name, path)
        teachers.append(Teacher(channels_last(network), teacher_spec, mirrored=mirrored))
    return Teachers(teachers, _grids(student, spec))


def _check_fit(
    student: LandmarkNet, spec: ModelSpec, teacher: LandmarkNet, teacher_spec: ModelSpec, where: str
) -> None:
    differing = []
    if teacher_spec.schema.landmarks != spec.schema.landmarks:
        theirs, ours = (_describe(each.schema) for each in (teacher_spec, spec))
        differing.append(f"landmarks: teacher {theirs}, student {ours}")
    stages = [len(network.decoder.stages) for network in (teacher, student)]
    if stages[0] != stages[1]:
        differing.append(f"decoder stages: teacher {stages[0]}, student {stages[1]}")
    if differing:
        raise InputError(f"{where}: this teacher does not fit the student ({'; '.join(differing)})")
    if teacher_spec.crop_margin != spec.crop_margin:
        logger.warning(
            "%s: trained with crop margin %g, the student has %g",
            where,
            teacher_spec.crop_margin,
            spec.crop_margin,
        )


def _grids(network: LandmarkNet, spec: ModelSpec) -> dict[str, int]:
    """Side in cells of each level's map."""
    coarse = spec.input_size // network.encoder.stride
    *features, heatmaps = level_names(len(network.decoder.stages))
    return {level: coarse * 2**index for index, level in enumerate(features)} | {heatmaps: spec.heatmap_size}


def _describe(schema: LandmarkSchema) -> str:
    return f"{schema.n_landmarks} of {schema.name}, from {schema.landmarks[0]} to {schema.landmarks[-1]}"
