"""What a recipe for a face detector may say."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from efficientfan.data.catalog import DATASETS
from efficientfan.data.scenes.catalog import SCENE_SETS
from efficientfan.data.scenes.mosaic import MosaicAugmentation
from efficientfan.recipes.config import HoldOut, Init, Section, TrainConfig, check_keys

__all__ = [
    "DetectionDataConfig",
    "DetectionModelConfig",
    "DetectionObjectiveConfig",
    "DetectionRecipe",
    "ProposerConfig",
    "SceneSource",
]


class SceneSource(Section):
    """Photos with boxes: one split of scenes, or faces of a landmark data set, each a photo of its own."""

    dataset: str = Field("scenes", description="scenes, boxes (your own COCO boxes), or a landmark data set")
    folder: str = Field("", description="its folder below data.root")
    split: str = "train"
    repeat: int = Field(1, ge=1, description="how often each photo leads a picture in an epoch")

    @model_validator(mode="after")
    def _there(self) -> SceneSource:
        splits = _trainable().get(self.dataset)
        if splits is None:
            raise ValueError(
                f"detectors cannot be trained on {self.dataset!r}, but on {', '.join(_trainable())}"
            )
        if splits and self.split not in splits:
            raise ValueError(f"{self.dataset!r} has no split {self.split!r}; it has {', '.join(splits)}")
        return self


def _trainable() -> dict[str, tuple[str, ...]]:
    """Splits of the data sets whose photos are files: scenes with boxes, and annotated faces."""
    scenes = {name: SCENE_SETS[name].splits for name in ("scenes", "boxes")}
    return {**scenes, **{name: tuple(row.splits) for name, row in DATASETS.items() if row.schema}}


class ProposerConfig(Section):
    """A detector that looks over the training photos once: its faces are learned as sure as it is of them.

    People's boxes stay as they are, and take over its five points.
    """

    detector: str = Field("yunet", description="name or .onnx file, as of `efficientfan predict --detector`")
    min_score: float = Field(0.2, gt=0, lt=1, description="less sure detections are background")
    enlarge: list[float] = Field([1.0, 2.0], min_length=1, description="photos are searched at these scales")


class DetectionDataConfig(Section):
    """Where the photos come from."""

    root: Path | None = Field(
        None, description="folder of the data sets; mostly given by --set data.root=..."
    )
    train: list[SceneSource] = Field(min_length=1)
    proposer: ProposerConfig | None = None
    holdout: HoldOut = Field(HoldOut(), description="validation photos, carved out of the first source")
    limit: int | None = Field(
        None, ge=2, description="only the first photos of each source, for a first try; all if null"
    )
    keep: int = Field(0, ge=0, description="decoded photos that each loader process keeps in memory")


class DetectionModelConfig(Section):
    """The network and how it sees a photo."""

    network: str = "facefinder"
    options: dict[str, Any] = Field(default_factory=dict, description="fields of DetectorConfig to replace")
    init: Init = Field(
        "scratch", description="how the encoder starts: scratch, imagenet, auto, or a FILE.safetensors"
    )
    start: Path | None = Field(
        None, description="go on from the weights of this detector (.safetensors) of the same network"
    )
    teacher: Path | None = Field(
        None, description="a trained detector (.safetensors) that is asked about every training picture"
    )
    input_size: int = Field(320, ge=64, multiple_of=32, description="side of the training pictures in pixels")
    long_sides: list[int] = Field(
        [640, 160], min_length=1, description="a photo is searched in copies reduced to these longer sides"
    )
    score_threshold: float = Field(0.3, ge=0, le=1, description="detections below it are left out")


class DetectionObjectiveConfig(Section):
    """Weights of the parts of the loss."""

    center: float = Field(1.0, ge=0)
    box: float = Field(2.0, ge=0)
    points: float = Field(2.0, ge=0)
    taught: float = Field(1.0, ge=0, description="of what model.teacher says, if there is one")


class DetectionRecipe(Section):
    """One training run of a face detector."""

    task: Literal["detection"]
    name: str = Field(min_length=1)
    about: str = ""
    data: DetectionDataConfig
    model: DetectionModelConfig = DetectionModelConfig()
    objective: DetectionObjectiveConfig = DetectionObjectiveConfig()
    augmentation: MosaicAugmentation = MosaicAugmentation()
    train: TrainConfig = TrainConfig()

    @field_validator("augmentation", mode="before")
    @classmethod
    def _known_changes(cls, table: Any) -> Any:
        return check_keys(table, [field.name for field in fields(MosaicAugmentation)])

    @model_validator(mode="after")
    def _buildable(self) -> DetectionRecipe:
        """The network's name and options, asked of the zoo; this loads torch."""
        from efficientfan.models.detector import detector_config

        detector_config(self.model.network, **self.model.options)
        return self
