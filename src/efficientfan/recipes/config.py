"""What a recipe may say. Every key has a type and a meaning; an unknown one is an error."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from efficientfan.data.augment import Augmentation
from efficientfan.data.catalog import get_dataset
from efficientfan.errors import did_you_mean
from efficientfan.schema import get_schema

__all__ = [
    "CoordinateConfig",
    "DataConfig",
    "DistillConfig",
    "DistillTermConfig",
    "HeatmapConfig",
    "HoldOut",
    "Init",
    "ModelConfig",
    "ObjectiveConfig",
    "Recipe",
    "Section",
    "Source",
    "TrainConfig",
    "VisibilityConfig",
    "check_keys",
]


def check_keys(table: Any, known: Iterable[str]) -> Any:
    """The table itself, if it has no other keys.

    Raises:
        ValueError: it has; the message names the nearest known one.
    """
    names = list(known)
    for key in table if isinstance(table, dict) else ():
        if key not in names:
            advice = did_you_mean(key, names) or f" known are {', '.join(names)}"
            raise ValueError(f"there is no {key!r};{advice}")
    return table


class Section(BaseModel):
    """A table of a recipe: every key is known, and checked."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, table: Any) -> Any:
        return check_keys(table, [field.alias or name for name, field in cls.model_fields.items()])


def _init(init: str) -> str:
    from efficientfan.models.encoder import check_initialization  # here, for recipes alone: it loads torch

    return check_initialization(init)


Init: TypeAlias = Annotated[str, AfterValidator(_init)]
"""How an encoder starts."""


class Source(Section):
    """Faces of one split of one data set."""

    dataset: str = Field(description="see `efficientfan data list`, or your own: FILE.py:name")
    folder: str = Field("", description="its folder below data.root")
    split: str = "train"
    repeat: int = Field(1, ge=1, description="how often each face is seen in an epoch")
    weight: float = Field(1.0, gt=0, description="loss weight of its landmarks, also in distillation")

    @property
    def labeled(self) -> bool:
        """Whether its faces have landmarks; if not, they are for distillation alone."""
        return get_dataset(self.dataset).labeled

    @model_validator(mode="after")
    def _there(self) -> Source:
        splits = get_dataset(self.dataset).splits
        if splits and self.split not in splits:
            raise ValueError(
                f"data set {self.dataset!r} has no split {self.split!r}; it has {', '.join(splits)}"
            )
        return self


class HoldOut(Section):
    """Validation faces carved out of the first training source: a fixed, seeded choice."""

    fraction: float = Field(0.05, gt=0, lt=1)
    seed: int = 0


class DataConfig(Section):
    """Where the faces come from."""

    root: Path | None = Field(
        None, description="folder of the data sets; mostly given by --set data.root=..."
    )
    schema_name: str = Field("ibug68", alias="schema")
    train: list[Source] = Field(min_length=1)
    holdout: HoldOut | None = HoldOut()
    validation: Source | None = Field(
        None, description="a split of its own instead of a hold-out; never the test set"
    )
    boxes: Literal["tight", "supplied"] = "tight"
    limit: int | None = Field(
        None, ge=2, description="only the first faces of each source, for a first try; all if null"
    )

    @field_validator("schema_name")
    @classmethod
    def _known_schema(cls, name: str) -> str:
        get_schema(name)
        return name

    @model_validator(mode="after")
    def _one_validation(self) -> DataConfig:
        if (self.holdout is None) == (self.validation is None):
            raise ValueError("give either data.holdout or data.validation, and set the other to null")
        judge = self.validation or self.train[0]
        if not judge.labeled:
            raise ValueError(
                f"validation faces come from {judge.dataset!r}, whose faces have no landmarks; name a data set that "
                "has them first, or as data.validation"
            )
        if not any(source.labeled for source in self.train):
            raise ValueError("no training source has landmarks; a teacher alone is not enough")
        return self


class ModelConfig(Section):
    """The network and how it sees a face."""

    network: str = Field(
        "mobilefan", description="see `efficientfan models list`, timm/ENCODER, or your own: FILE.py:Class"
    )
    options: dict[str, Any] = Field(default_factory=dict, description="fields of NetworkConfig to replace")
    init: Init = Field(
        "scratch", description="how the encoder starts: scratch, imagenet, auto, or a FILE.safetensors"
    )
    start: Path | None = Field(
        None, description="a checkpoint of the same network to go on from, to fine-tune"
    )
    input_size: int = Field(256, ge=32, multiple_of=32)
    margin: float = Field(0.25, gt=-1, description="the crop's side is the box's longer side x (1 + margin)")
    decoder: dict[str, Any] = Field(
        default_factory=lambda: {"name": "quarter"}, description="heatmaps to points"
    )


class HeatmapConfig(Section):
    """The loss on heatmaps."""

    kind: str = Field("mse", description="mse, softmax_ce, awing, or your own: FILE.py:name")
    sigma: float = Field(1.0, gt=0, description="of the Gaussian targets, in heatmap cells")
    weight: float = Field(1.0, ge=0)


class CoordinateConfig(Section):
    """The loss on decoded coordinates."""

    kind: str = Field("smooth_l1", description="wing, smooth_l1, or your own: FILE.py:name")
    unit: Literal["pixel", "cell"] = "cell"
    options: dict[str, float] = Field(default_factory=dict)
    weight: float = Field(1.0, ge=0)


class VisibilityConfig(Section):
    """The loss on visible / covered / turned away; needs model.options.visibility: true."""

    weight: float = Field(0.1, ge=0)


class ObjectiveConfig(Section):
    """What training minimizes: the weighted sum of the parts that are given."""

    heatmap: HeatmapConfig | None = HeatmapConfig()
    coordinate: CoordinateConfig | None = None
    visibility: VisibilityConfig | None = None

    @model_validator(mode="after")
    def _something(self) -> ObjectiveConfig:
        if self.heatmap is None and self.coordinate is None:
            raise ValueError("an objective needs a heatmap or a coordinate part")
        return self


class DistillTermConfig(Section):
    """One comparison of student and teacher."""

    kind: str = Field(description="key of efficientfan.distill.TERMS, or package.module:Class of your own")
    name: str = Field("", description="in the logs; the kind if not given")
    levels: list[str] | None = Field(
        None, min_length=1, description="encoder, stage1, ..., heatmaps; the term's own if null"
    )
    weight: float | None = Field(None, ge=0, description="its factor; 1 where no ratio is given either")
    ratio: float | None = Field(
        None,
        gt=0,
        description="norm of its gradient in those of the base loss, instead of a weight; the factor follows",
    )
    options: dict[str, Any] = Field(default_factory=dict, description="further arguments of the term")

    @model_validator(mode="before")
    @classmethod
    def _named(cls, table: Any) -> Any:
        if not isinstance(table, dict):
            return table
        if not table.get("name") and isinstance(table.get("kind"), str):
            table = {**table, "name": table["kind"].rpartition(":")[2]}
        if table.get("weight") is None and table.get("ratio") is None:
            table = {**table, "weight": 1.0}
        return table

    @model_validator(mode="after")
    def _known(self) -> DistillTermConfig:
        from efficientfan.distill import find_term  # here, for recipes that distil: it loads torch

        find_term(self.kind)
        if "." in self.name:
            raise ValueError(f"a term's name has no dot, unlike {self.name!r}")
        if self.weight is not None and self.ratio is not None:
            raise ValueError(f"term {self.name!r}: give either weight or ratio, and leave the other out")
        return self


class DistillConfig(Section):
    """Knowledge transfer from a teacher, or several."""

    teacher: Path | list[Path] | None = Field(
        None,
        description="its .safetensors, or a list of them; mostly given by --set distill.teacher=...",
    )
    mirrored: bool = Field(
        False, description="average the teacher's heatmaps with those of the mirrored crop; twice its time"
    )
    decay: Literal["none", "linear", "cosine"] = Field(
        "none", description="how the weights of all terms shrink to nothing over the run"
    )
    terms: list[DistillTermConfig] = Field(min_length=1)

    @field_validator("teacher", mode="before")
    @classmethod
    def _files(cls, given: Any) -> Any:
        listed = given if isinstance(given, list) else [given]
        if given is not None and not (listed and all(isinstance(each, str | Path) for each in listed)):
            raise ValueError(f"give a file, or a list of files, not {given!r}")
        return given

    @property
    def teachers(self) -> tuple[Path, ...]:
        """The files of all teachers."""
        if isinstance(self.teacher, list):
            return tuple(self.teacher)
        return () if self.teacher is None else (self.teacher,)

    @model_validator(mode="after")
    def _names(self) -> DistillConfig:
        names = [term.name for term in self.terms]
        if len(set(names)) < len(names):
            raise ValueError(f"terms of the same kind need a name each; these are {', '.join(names)}")
        return self


class TrainConfig(Section):
    """The loop."""

    epochs: int = Field(60, ge=1)
    batch_size: int = Field(32, ge=1, description="faces per process and step")
    optimizer: Literal["adam", "adamw"] = "adam"
    lr: float = Field(1e-3, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    schedule: Literal["steps", "cosine"] = "steps"
    milestones: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        [0.375, 0.625], description="of `steps`: shares of the run at which lr drops"
    )
    gamma: float = Field(0.1, gt=0, le=1, description="of `steps`: factor of each drop")
    warmup_steps: int = Field(0, ge=0, description="linear rise of lr at the start")
    ema: float | None = Field(
        None, gt=0, lt=1, description="decay of the averaged weights that are validated and kept"
    )
    clip: float | None = Field(None, gt=0, description="largest gradient norm")
    accumulate: int = Field(1, ge=1, description="batches per optimizer step")
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    workers: int = Field(1, ge=0, description="loader processes")
    seed: int = 0
    early_stop: int | None = Field(None, ge=1, description="epochs without a better validation NME")
    checkpoint_minutes: float = Field(5.0, gt=0, description="time between checkpoints within an epoch")
    checkpoint_steps: int | None = Field(
        None, ge=1, description="optimizer steps between them, instead of minutes"
    )
    deterministic: bool = Field(
        False, description="the same weights from the same seed, bit for bit; slower on GPUs"
    )


class Recipe(Section):
    """One training run of a landmark network."""

    task: Literal["landmarks"] = "landmarks"
    name: str = Field(min_length=1)
    about: str = ""
    data: DataConfig
    model: ModelConfig = ModelConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    distill: DistillConfig | None = None
    augmentation: Augmentation = Augmentation()
    train: TrainConfig = TrainConfig()

    @field_validator("augmentation", mode="before")
    @classmethod
    def _known_changes(cls, table: Any) -> Any:
        return check_keys(table, [field.name for field in fields(Augmentation)])

    @model_validator(mode="after")
    def _buildable(self) -> Recipe:
        """Names and options that are the parts' own business, asked of the parts; this loads torch."""
        from efficientfan.codec import build_decoder
        from efficientfan.losses import CoordinateLoss, HeatmapLoss
        from efficientfan.models.zoo import check_network

        check_network(self.model.network, **self.model.options)
        try:
            decoder = build_decoder(stride=4, **self.model.decoder)
        except TypeError as error:
            raise ValueError(f"model.decoder: {error}") from error
        if self.objective.heatmap is not None:
            HeatmapLoss(self.objective.heatmap.kind, 4, self.objective.heatmap.sigma)
        if self.objective.coordinate is not None:
            CoordinateLoss(self.objective.coordinate.kind, **self.objective.coordinate.options)
            if not decoder.trains_coordinates:
                name = self.model.decoder["name"]
                raise ValueError(f"objective.coordinate needs a decoder with a gradient; {name!r} has none")
        return self

    @model_validator(mode="after")
    def _unlabeled(self) -> Recipe:
        names = ", ".join(source.dataset for source in self.data.train if not source.labeled)
        if not names:
            return self
        if self.distill is None:
            raise ValueError(f"data.train: {names} has no landmarks, so it needs a teacher; give distill")
        from efficientfan.distill import find_term

        for term in self.distill.terms:
            if find_term(term.kind).needs_labels:
                raise ValueError(
                    f"data.train: {names} has no landmarks, and distillation term {term.name!r} looks at them"
                )
        return self

    @model_validator(mode="after")
    def _visibility(self) -> Recipe:
        wanted, there = self.objective.visibility is not None, bool(self.model.options.get("visibility"))
        if wanted and not there:
            raise ValueError(
                "objective.visibility needs a network with that head: model.options.visibility: true"
            )
        if there and not wanted:
            raise ValueError(
                "model.options.visibility: nothing would train this head; give objective.visibility: {weight: 0.1}"
            )
        if wanted and all(get_dataset(source.dataset).visibility == "none" for source in self.data.train):
            names = ", ".join(source.dataset for source in self.data.train)
            raise ValueError(
                f"objective.visibility: {names} do not label what can be seen; add one that does (aflw68)"
            )
        return self
