"""From a recipe to what training minimizes; the only place in `train` that knows of teachers."""

from __future__ import annotations

from torch import nn

from efficientfan.distill import (
    Channels,
    DistillationObjective,
    DistillationTerm,
    TermWeights,
    channels_of,
    find_term,
    load_teachers,
)
from efficientfan.distill.term import HEATMAPS
from efficientfan.errors import InputError
from efficientfan.losses import CoordinateLoss, HeatmapLoss, Objective, VisibilityLoss
from efficientfan.models import LandmarkNet
from efficientfan.recipes import Recipe
from efficientfan.recipes.config import DistillConfig
from efficientfan.recipes.inputs import require_teachers
from efficientfan.spec import ModelSpec

__all__ = ["build_objective"]


def build_objective(recipe: Recipe, student: LandmarkNet, spec: ModelSpec) -> Objective:
    """The sum of the recipe's loss parts; with `distill`, those against its teachers besides.

    Args:
        recipe: what to minimize.
        student, spec: what is trained.

    Raises:
        InputError: no teacher was given, or one does not fit; a term does not take its levels or options.
    """
    base = _base_objective(recipe, spec.stride)
    if recipe.distill is None:
        return base
    return _with_teachers(base, recipe, recipe.distill, student, spec)


def _with_teachers(
    base: Objective, recipe: Recipe, distill: DistillConfig, student: LandmarkNet, spec: ModelSpec
) -> Objective:
    if not distill.teachers:
        raise InputError(
            f"recipe {recipe.name!r} has no distill.teacher; add --set distill.teacher=FILE.safetensors"
        )
    require_teachers(recipe.name, distill.teachers)
    teachers = load_teachers(distill.teachers, student, spec, mirrored=distill.mirrored)
    channels = Channels(channels_of(student, spec.schema.n_landmarks), teachers.channels)
    terms: dict[str, DistillationTerm] = {}
    for entry in distill.terms:
        try:
            terms[entry.name] = find_term(entry.kind)(channels, entry.levels, **entry.options)
        except TypeError as error:
            raise InputError(f"recipe {recipe.name!r}: distillation term {entry.kind!r}: {error}") from error
    if distill.mirrored and not any(HEATMAPS in term.levels for term in terms.values()):
        raise InputError(
            f"recipe {recipe.name!r}: distill.mirrored averages heatmaps, and no term compares them; add one that does "
            "(cwd), or leave it out"
        )
    weights = TermWeights(
        {entry.name: entry.weight for entry in distill.terms if entry.weight is not None},
        {entry.name: entry.ratio for entry in distill.terms if entry.ratio is not None},
        student.parameters(),
    )
    return DistillationObjective(base, teachers, terms, weights, distill.decay)


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
