"""`Teacher`: a frozen network beside the training state, and whether it fits a student."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from efficientfan.distill.term import level_names
from efficientfan.errors import InputError
from efficientfan.models import LandmarkNet, NetworkOutput, channels_last, load_checkpoint
from efficientfan.schema import LandmarkSchema
from efficientfan.spec import ModelSpec

__all__ = ["Teacher", "check_fit", "load_teacher"]

logger = logging.getLogger(__name__)


class Renormalize:
    """Images normalized as one spec says to those of another: images * scale + shift, per channel."""

    def __init__(self, scale: Tensor | float, shift: Tensor | float) -> None:
        self.scale, self.shift = scale, shift

    @classmethod
    def between(cls, student: ModelSpec, teacher: ModelSpec) -> Renormalize:
        """From the student's images to the teacher's."""
        if (student.mean, student.std) == (teacher.mean, teacher.std):
            return cls(1.0, 0.0)
        own_mean, own_std, mean, std = (
            torch.tensor(values).view(3, 1, 1)
            for values in (student.mean, student.std, teacher.mean, teacher.std)
        )
        return cls(own_std / std, (own_mean - mean) / std)

    def __call__(self, images: Tensor) -> Tensor:
        """(N, 3, S, S) to the same shape."""
        if isinstance(self.scale, float):
            return images
        return images * self.scale.to(images) + torch.as_tensor(self.shift).to(images)


class Teacher:
    """A network that is only asked: always in eval mode, without gradients, under the caller's autocast.

    On purpose not an `nn.Module`: a module that holds it has none of its weights among its parameters or in
    its state, and cannot turn it to training mode. So optimisers, checkpoints, DDP and averages of the
    weights (whose deep copies share it) never meet it. It follows the images to their device.
    """

    def __init__(self, network: LandmarkNet, renormalize: Renormalize | None = None) -> None:
        self.network = network.eval().requires_grad_(False)
        self.renormalize = renormalize or Renormalize(1.0, 0.0)

    @torch.no_grad()
    def __call__(self, images: Tensor) -> NetworkOutput:
        """(N, 3, S, S) RGB as the student's spec normalizes it, to the teacher's maps."""
        if next(self.network.parameters()).device != images.device:
            self.network.to(images.device)
        output: NetworkOutput = self.network(self.renormalize(images))
        return output

    def __deepcopy__(self, memo: dict[int, Any]) -> Teacher:
        return self


def load_teacher(path: str | Path, student: LandmarkNet, spec: ModelSpec) -> Teacher:
    """Read a teacher from a `.safetensors` checkpoint, and check that it fits the student with this spec.

    Raises:
        InputError: unreadable, or it does not fit.
    """
    network, teacher_spec = load_checkpoint(path)
    check_fit(student, spec, network, teacher_spec, where=str(path))
    logger.info("teacher %s from %s", teacher_spec.name, path)
    return Teacher(channels_last(network), Renormalize.between(spec, teacher_spec))


def check_fit(
    student: LandmarkNet,
    spec: ModelSpec,
    teacher: LandmarkNet,
    teacher_spec: ModelSpec,
    where: str = "teacher",
) -> None:
    """Check that both know the same landmarks, take the same crops, and have maps of the same sizes.

    Raises:
        InputError: saying what differs.
    """
    facts = {
        "landmarks": (teacher_spec.schema.landmarks, spec.schema.landmarks),
        "input size": (teacher_spec.input_size, spec.input_size),
        "sides of the maps": (_grids(teacher, teacher_spec), _grids(student, spec)),
    }
    differing = {fact: values for fact, values in facts.items() if values[0] != values[1]}
    if "landmarks" in differing:
        differing["landmarks"] = (_describe(teacher_spec.schema), _describe(spec.schema))
    if differing:
        clauses = [f"{fact}: teacher {theirs}, student {ours}" for fact, (theirs, ours) in differing.items()]
        raise InputError(f"{where}: this teacher does not fit the student ({'; '.join(clauses)})")
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
