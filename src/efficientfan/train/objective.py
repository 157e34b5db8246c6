"""From a recipe to what training minimises; the only place in `train` that knows of teachers."""

from __future__ import annotations

from torch import nn

from efficientfan.distill import (
    Channels,
    DistillationObjective,
    DistillationTerm,
    channels_of,
    find_term,
    load_teacher,
)
from efficientfan.errors import InputError
from efficientfan.losses import CoordinateLoss, HeatmapLoss, Objective, VisibilityLoss
from efficientfan.models import LandmarkNet
from efficientfan.recipes import Recipe
from efficientfan.recipes.config import DistillConfig
from efficientfan.spec import ModelSpec

__all__ = ["build_objective"]


def build_objective(recipe: Recipe, student: LandmarkNet, spec: ModelSpec) -> Objective:
    """The sum of the recipe's loss parts; with `distill`, those against its teacher besides.

    Args:
        recipe: what to minimise.
        student, spec: what is trained.

    Raises:
        InputError: no teacher was given, or it does not fit; a term does not take its levels or options.
    """
    base = _base_objective(recipe, spec.stride)
    if recipe.distill is None:
        return base
    return _with_teacher(base, recipe, recipe.distill, student, spec)


def _with_teacher(
    base: Objective,
    recipe: Recipe,
    distill: DistillConfig,
    student: LandmarkNet,
    spec: ModelSpec,
) -> Objective:
    if distill.teacher is None:
        raise InputError(
            f"recipe {recipe.name!r} has no distill.teacher; add --set distill.teacher=FILE.safetensors"
        )
    if not distill.teacher.is_file():
        raise InputError(
            f"recipe {recipe.name!r} learns from {distill.teacher}, which is not there; train that first, or add --set "
            "distill.teacher=FILE.safetensors"
        )
    teacher = load_teacher(distill.teacher, student, spec)
    n_landmarks = spec.schema.n_landmarks
    channels = Channels(channels_of(student, n_landmarks), channels_of(teacher.network, n_landmarks))
    terms: dict[str, DistillationTerm] = {}
    scales: dict[str, float] = {}
    for entry in distill.terms:
        try:
            term = find_term(entry.kind)(channels, entry.levels, **entry.options)
        except TypeError as error:
            raise InputError(f"recipe {recipe.name!r}: distillation term {entry.kind!r}: {error}") from error
        terms[entry.name], scales[entry.name] = term, entry.weight
    return DistillationObjective(base, teacher, terms, scales)


def _base_objective(recipe: Recipe, stride: int) -> Objective:
    terms: dict[str, nn.Module] = {}
    scales: dict[str, float] = {}
    heatmap, coordinate = recipe.objective.heatmap, recipe.objective.coordinate
    if heatmap is not None:
        terms["heatmap"] = HeatmapLoss(heatmap.kind, stride, heatmap.sigma)
        scales["heatmap"] = heatmap.weight
    if coordinate is not None:
        unit = stride if coordinate.unit == "cell" else 1
        terms["coordinate"] = CoordinateLoss(coordinate.kind, unit, **coordinate.options)
        scales["coordinate"] = coordinate.weight
    if recipe.objective.visibility is not None:
        terms["visibility"], scales["visibility"] = VisibilityLoss(), recipe.objective.visibility.weight
    return Objective(terms, scales)
