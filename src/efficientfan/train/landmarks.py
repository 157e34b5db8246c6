"""Training landmarks: from a recipe to network, spec and crops; one step of training, one of validation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from efficientfan.data.catalog import get_dataset, load_dataset
from efficientfan.data.dataset import CropSpec, FaceCrops, Sample
from efficientfan.data.visibility import VisibilityLabels
from efficientfan.draw import draw_points
from efficientfan.errors import InputError
from efficientfan.extension import without_folders
from efficientfan.geometry import BoxCorrection, box_of_points
from efficientfan.losses import Batch, Objective, Prediction
from efficientfan.metrics import box_size, interocular, nme
from efficientfan.models import LandmarkNet, build_network, start_from
from efficientfan.models.deployed import DeployedNet, DeployedOutput
from efficientfan.models.encoder import Initialization
from efficientfan.recipes import AnyRecipe, Recipe
from efficientfan.recipes.config import Source, TrainConfig
from efficientfan.recipes.detection import DetectionRecipe
from efficientfan.recipes.inputs import require_root, require_start
from efficientfan.schema import get_schema
from efficientfan.spec import ModelSpec
from efficientfan.structures import VISIBILITY_CLASSES, Annotation, Scene
from efficientfan.train.module import Figure, RunModule
from efficientfan.version import __version__

__all__ = [
    "Faces",
    "LandmarkModule",
    "build_crops",
    "build_faces",
    "build_spec",
    "build_student",
    "hold_out",
    "initialization",
    "provenance",
    "supplied_boxes",
    "validation_nme",
    "visible_counts",
]

Array = NDArray[Any]
NamedT = TypeVar("NamedT", Annotation, Scene)


def build_student(recipe: Recipe) -> LandmarkNet:
    """The network to be trained, fresh or from the checkpoint that the recipe starts from.

    Raises:
        InputError: an unknown network, or a checkpoint that does not fit it.
    """
    model, schema = recipe.model, get_schema(recipe.data.schema_name)
    init = initialization(recipe)
    network = build_network(model.network, schema.n_landmarks, init=init, **model.options)
    if model.start is not None:
        start_from(model.start, network, schema)
    return network


def initialization(recipe: AnyRecipe) -> Initialization:
    """How the recipe's encoder is made before the checkpoint that it starts from, if any, fills it.

    Raises:
        InputError: that checkpoint is not there.
    """
    start = recipe.model.start
    if start is not None:
        require_start(recipe.name, start)
    return recipe.model.init if start is None else "scratch"  # the checkpoint holds the whole encoder


def build_spec(recipe: Recipe, network: LandmarkNet) -> ModelSpec:
    """The spec that will travel with the weights."""
    names = {source.dataset: without_folders(source.dataset) for source in recipe.data.train}
    terms = {name: get_dataset(dataset).terms for dataset, name in names.items()}
    used = " + ".join(f"{names[source.dataset]} {source.split}" for source in recipe.data.train)
    return ModelSpec(
        name=recipe.name,
        network=without_folders({"name": recipe.model.network, **recipe.model.options}),
        schema=get_schema(recipe.data.schema_name),
        mean=network.encoder.mean,
        std=network.encoder.std,
        mirror_offset=_mirror_offset(recipe),
        input_size=recipe.model.input_size,
        stride=network.stride,
        crop_margin=recipe.model.margin,
        decoder=recipe.model.decoder,
        license="Weights carry the terms of their training data. "
        + " ".join(f"{k}: {v}" for k, v in terms.items()),
        training_data=used,
        provenance={"recipe": provenance(recipe)},
        code_version=__version__,
    )


def _mirror_offset(recipe: Recipe) -> float:
    """How far the network's landmarks will lean: as the labels of the source that weighs most per face."""
    labeled = [source for source in recipe.data.train if source.labeled]
    main = max(labeled, key=lambda source: source.repeat * source.weight)
    offset = get_dataset(main.dataset).mirror_offset
    return offset.mean if offset is not None and recipe.augmentation.flip else 0.0


def provenance(recipe: AnyRecipe) -> dict[str, Any]:
    """What a spec tells of the recipe: all but the paths of this machine."""
    table: dict[str, Any] = without_folders(recipe.model_dump(mode="json", by_alias=True))
    table["data"].pop("root", None)  # a path of one machine tells others nothing
    table["model"]["init"] = Path(recipe.model.init).name
    if recipe.model.start is not None:
        table["model"]["start"] = recipe.model.start.name
    if isinstance(recipe, DetectionRecipe):
        if recipe.model.teacher is not None:
            table["model"]["teacher"] = recipe.model.teacher.name
        return table
    if recipe.distill is not None and recipe.distill.teacher is not None:
        names = [path.name for path in recipe.distill.teachers]
        table["distill"]["teacher"] = names if isinstance(recipe.distill.teacher, list) else names[0]
    return table


@dataclass(frozen=True)
class Faces:
    """Training faces with a loss weight each, and validation faces that are not among them.

    `visibility` says of each training face what its flags mean, `validation_visibility` of all others; `mirror_offsets`
    how far its labels lean.
    """

    train: Sequence[Annotation]
    weights: NDArray[np.float64]
    visibility: Sequence[VisibilityLabels]
    mirror_offsets: Sequence[float]
    validation: Sequence[Annotation]
    validation_visibility: VisibilityLabels


def build_faces(recipe: Recipe) -> Faces:
    """Read the recipe's data sets and carve out the validation faces.

    Raises:
        InputError: no root was given, a split is missing or empty.
    """
    data = recipe.data
    root = require_root(recipe.name, data.root)
    sources = [_read(source, root, data.schema_name)[: data.limit] for source in data.train]
    if data.validation is not None:
        validation = _read(data.validation, root, data.schema_name)[: data.limit]
    elif data.holdout is not None:
        sources[0], validation = hold_out(sources[0], data.holdout.fraction, data.holdout.seed)
    train: list[Annotation] = []
    weights: list[float] = []
    visibility: list[VisibilityLabels] = []
    offsets: list[float] = []
    for source, faces in zip(data.train, sources, strict=True):
        train += faces * source.repeat
        weights += [source.weight] * (len(faces) * source.repeat)
        info = get_dataset(source.dataset)
        visibility += [info.visibility] * (len(faces) * source.repeat)
        offsets += [info.mirror_offset.mean if info.mirror_offset else 0.0] * (len(faces) * source.repeat)
    held = get_dataset((data.validation or data.train[0]).dataset).visibility
    return Faces(train, np.array(weights), visibility, offsets, validation, held)


def supplied_boxes(faces: Sequence[Annotation]) -> BoxCorrection | None:
    """How the data set's own boxes lie beside the tight boxes of the points; None where no face has both."""
    both = [face for face in faces if face.box is not None and face.visibility.astype(bool).sum() > 1]
    tight = np.array([face.tight_box for face in both]).reshape(-1, 4)
    own = np.array([face.box for face in both]).reshape(-1, 4)
    sound = (tight[:, 2:] > tight[:, :2]).all(axis=1)
    return BoxCorrection.between(tight[sound], own[sound]) if sound.any() else None


def hold_out(faces: list[NamedT], fraction: float, seed: int) -> tuple[list[NamedT], list[NamedT]]:
    """Split faces or scenes in (rest, held out); the choice depends on the seed and the names, not on their order."""
    by_name = sorted(range(len(faces)), key=lambda index: faces[index].name)
    count = max(1, round(fraction * len(faces)))
    chosen = {by_name[i] for i in np.random.default_rng(seed).permutation(len(faces))[:count]}
    return [f for i, f in enumerate(faces) if i not in chosen], [
        f for i, f in enumerate(faces) if i in chosen
    ]


def _read(source: Source, root: Path, schema: str) -> list[Annotation]:
    faces = load_dataset(source.dataset, root / source.folder, source.split, schema=schema)
    # A crop needs a box: a face with fewer than two labeled landmarks cannot be trained on.
    usable = [f for f in faces if not source.labeled or np.isfinite(f.points).all(axis=1).sum() >= 2]
    if not usable:
        raise InputError(
            f"data set {source.dataset!r}, split {source.split!r}: no usable face in {root / source.folder}"
        )
    return usable


def build_crops(recipe: Recipe, faces: Faces, sides: Iterable[int] = ()) -> tuple[FaceCrops, FaceCrops]:
    """Training crops as the recipe augments them, and plain validation crops.

    Args:
        recipe: what to do.
        faces: its faces.
        sides: in which the training crops are wanted besides (`Objective.crop_sides`).
    """
    schema = get_schema(recipe.data.schema_name)
    crop = CropSpec(recipe.model.input_size, recipe.model.margin)
    also = tuple(sorted(set(sides) - {crop.size}))
    train = FaceCrops(
        faces.train,
        schema,
        replace(crop, also=also),
        augmentation=recipe.augmentation,
        weights=faces.weights,
        seed=recipe.train.seed,
        boxes=recipe.data.boxes,
        visibility=faces.visibility,
        mirror_offsets=faces.mirror_offsets,
    )
    validation = FaceCrops(
        faces.validation,
        schema,
        crop,
        boxes=recipe.data.boxes,
        visibility=[faces.validation_visibility] * len(faces.validation),
    )
    return train, validation


class LandmarkModule(RunModule):
    """Trains a network with an objective; it knows neither the recipe's data nor a teacher.

    Args:
        network: the student.
        objective: returns named loss parts.
        spec: crop, normalization and decoder.
        config: optimizer and schedule.
    """

    figure = Figure("val_nme", "NME", higher_is_better=False)

    def __init__(
        self, network: LandmarkNet, objective: Objective, spec: ModelSpec, config: TrainConfig
    ) -> None:
        super().__init__(config)
        self.objective = objective
        self.spec: ModelSpec = spec
        self.deployed: DeployedNet = DeployedNet(network, spec)

    def forward(self, crops: Tensor) -> DeployedOutput:
        """What (N, S, S, 3) uint8 crops hold."""
        output: DeployedOutput = self.deployed(crops)
        return output

    def training_step(self, sample: dict[str, Tensor], index: int) -> Tensor:
        batch = self.batch_of(sample, self.progress)
        output = self.deployed.network(batch.images)
        points, _ = self.deployed.decoder(output.heatmaps)
        parts = self.objective(Prediction(output, points), batch)
        self.log_dict(dict(self.objective.notes))
        return self.total_loss(parts, index)

    def batch_of(self, sample: Mapping[str, Tensor], progress: float = 0.0) -> Batch:
        """Collated samples of `FaceCrops` as the objective takes them, at this share of the run."""
        size = self.spec.input_size
        others = {side: sample[f"crop_{side}"] for side in self.objective.crop_sides if side != size}
        return Batch(
            self.deployed.normalize(sample["crop"]),
            sample["points"],
            sample["weights"],
            sample["visibility"],
            sample["teaching"],
            {size: sample["crop"], **others},
            progress,
        )

    def on_validation_epoch_start(self) -> None:
        self.validated: list[tuple[Any, Any, Any]] = []
        self.visible_counts = torch.zeros(3, device=self.device)

    def validation_step(self, sample: dict[str, Tensor], index: int) -> None:
        output = self(sample["crop"])
        tensors = (output.points, sample["points"], sample["weights"])
        found, truth, weights = (tensor.float().cpu().numpy() for tensor in tensors)
        self.validated.append((found, truth, weights))
        if output.visibility is not None:
            self.visible_counts += visible_counts(output.visibility, sample["visibility"])

    def on_validation_epoch_end(self) -> None:
        points, truth, weights = (np.concatenate(part) for part in zip(*self.validated, strict=True))
        truth[weights == 0] = np.nan
        share = torch.tensor(
            [validation_nme(points, truth, self.spec) * len(points), len(points)], device=self.device
        )
        total, faces = self.shared(share)
        self.judge(total / faces)
        hits, found, there = self.shared(self.visible_counts)
        if there:
            values = {"val_visible_precision": hits / max(1.0, found), "val_visible_recall": hits / there}
            self.log_dict(values, sync_dist=True)

    def pictures(self, samples: Sequence[Sample]) -> list[NDArray[np.uint8]]:
        crops = torch.stack([sample["crop"] for sample in samples])
        with torch.no_grad():
            points = self(crops.to(self.device)).points.float().cpu().numpy().astype(np.float64)
        return [
            draw_points(crop, face, self.spec.schema)
            for crop, face in zip(crops.numpy(), points, strict=True)
        ]


def visible_counts(probabilities: Tensor, labels: Tensor) -> Tensor:
    """(3,) how many landmarks are rightly found visible, found visible, and visible, of those with a label.

    Args:
        probabilities: (N, K, 3) of `VISIBILITY_CLASSES`.
        labels: (N, K), as in `Batch`.
    """
    visible = VISIBILITY_CLASSES.index("visible")
    found, there = (probabilities.argmax(dim=2) == visible) & (labels >= 0), labels == visible
    return torch.stack([(found & there).sum(), found.sum(), there.sum()]).float()


def validation_nme(points: Array, truth: Array, spec: ModelSpec) -> float:
    """Mean NME of plain crops, as a fraction; a similarity transform leaves it as it is in image pixels.

    By the outer eye corners, and by the box (sqrt of its area) for faces whose corners are not labeled.

    Args:
        points: (N, K, 2) predicted, crop pixels.
        truth: (N, K, 2), crop pixels; NaN where unlabeled.
        spec: its schema names the eye corners.
    """
    if "interocular" in spec.schema.normalizers:
        lengths = interocular(truth, spec.schema)
    else:
        lengths = np.full(len(truth), np.nan)
    boxes = np.stack([box_of_points(face) for face in truth])
    lengths = np.where(np.isfinite(lengths), lengths, box_size(boxes))
    return float(nme(points, truth, lengths).mean())
