"""From a recipe to its parts: network, spec, objective."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import nn

from efficientfan.data.catalog import get_dataset
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
from efficientfan.models import LandmarkNet, build_network, start_from
from efficientfan.recipes import AnyRecipe, Recipe
from efficientfan.recipes.config import DistillConfig
from efficientfan.recipes.detection import DetectionRecipe
from efficientfan.schema import get_schema
from efficientfan.spec import DetectorSpec, ModelSpec
from efficientfan.version import __version__

__all__ = [
    "build_objective",
    "build_spec",
    "build_student",
    "provenance",
    "with_metrics",
]


def build_student(recipe: Recipe) -> LandmarkNet:
    """The network to be trained, fresh or from the checkpoint that the recipe starts from.

    Raises:
        InputError: an unknown network, or a checkpoint that does not fit it.
    """
    model, schema = recipe.model, get_schema(recipe.data.schema_name)
    if model.start is not None and not model.start.is_file():
        raise InputError(
            f"recipe {recipe.name!r} goes on from {model.start}, which is not there; train that first, or add --set "
            "model.start=FILE.safetensors"
        )
    init = model.init if model.start is None else "scratch"  # the checkpoint holds the whole encoder
    network = build_network(model.network, schema.n_landmarks, init=init, **model.options)
    if model.start is not None:
        start_from(model.start, network, schema)
    return network


def build_spec(recipe: Recipe, network: LandmarkNet) -> ModelSpec:
    """The spec that will travel with the weights."""
    terms = {source.dataset: get_dataset(source.dataset).terms for source in recipe.data.train}
    used = " + ".join(f"{source.dataset} {source.split}" for source in recipe.data.train)
    return ModelSpec(
        name=recipe.name,
        network={"name": recipe.model.network, **recipe.model.options},
        schema=get_schema(recipe.data.schema_name),
        mean=network.encoder.mean,
        std=network.encoder.std,
        mirror_offset=_mirror_offset(recipe),
        input_size=recipe.model.input_size,
        stride=network.stride,
        crop_margin=recipe.model.margin,
        decoder=recipe.model.decoder,
        licence="Weights carry the terms of their training data. "
        + " ".join(f"{k}: {v}" for k, v in terms.items()),
        training_data=used,
        provenance={"recipe": provenance(recipe)},
        code_version=__version__,
    )


def _mirror_offset(recipe: Recipe) -> float:
    """How far the network's landmarks will lean: as the labels of the source that weighs most per face."""
    main = max(recipe.data.train, key=lambda source: source.repeat * source.weight)
    offset = get_dataset(main.dataset).mirror_offset
    return offset.mean if offset is not None and recipe.augmentation.flip else 0.0


def provenance(recipe: AnyRecipe) -> dict[str, Any]:
    """What a spec tells of the recipe: all but the paths of this machine."""
    table: dict[str, Any] = recipe.model_dump(mode="json", by_alias=True)
    table["data"].pop("root", None)  # a path of one machine tells others nothing
    if isinstance(recipe, DetectionRecipe):
        return table
    if recipe.model.start is not None:
        table["model"]["start"] = recipe.model.start.name
    if recipe.distill is not None and recipe.distill.teacher is not None:
        table["distill"]["teacher"] = recipe.distill.teacher.name
    return table


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


def with_metrics(spec: ModelSpec | DetectorSpec, **metrics: float) -> ModelSpec | DetectorSpec:
    """The spec with further measured figures."""
    return replace(spec, metrics={**spec.metrics, **metrics})
