"""Training a face detector: from a recipe to network and pictures, one step of training, one of validation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from efficientfan.codec.centers import decode_boxes, decode_points
from efficientfan.data.catalog import DATASETS, get_dataset, load_dataset, resolve_schema
from efficientfan.data.dataset import Sample
from efficientfan.data.scenes.catalog import load_scenes
from efficientfan.data.scenes.dataset import ScenePictures
from efficientfan.draw import add_rectangle
from efficientfan.errors import InputError
from efficientfan.geometry import box_iou
from efficientfan.losses.detection import CenterBatch, box_loss, center_loss, point_loss, taught_center_loss
from efficientfan.models import build_detector_network, channels_last, start_detector_from
from efficientfan.models.detector import DeployedDetector, FaceDetectorNet
from efficientfan.predict.detectors.base import Detections, strongest
from efficientfan.recipes.config import TrainConfig
from efficientfan.recipes.detection import DetectionObjectiveConfig, DetectionRecipe, SceneSource
from efficientfan.recipes.inputs import require_root
from efficientfan.schema import LandmarkSchema, convert_points
from efficientfan.spec import DetectorSpec
from efficientfan.structures import Annotation, BoxTrust, Scene
from efficientfan.train.detection_proposals import proposed
from efficientfan.train.detection_teacher import DetectorTeacher
from efficientfan.train.landmarks import hold_out, initialization, provenance
from efficientfan.train.module import Figure, RunModule
from efficientfan.version import __version__

__all__ = ["DetectionModule", "build_detector", "build_pictures", "build_scenes"]


def build_detector(recipe: DetectionRecipe) -> tuple[FaceDetectorNet, DetectorSpec]:
    """The network to be trained, and the spec that will travel with its weights.

    Raises:
        InputError: an unknown network, or a checkpoint that does not fit it.
    """
    model = recipe.model
    network = build_detector_network(model.network, init=initialization(recipe), **model.options)
    if model.start is not None:
        start_detector_from(model.start, network)
    network = channels_last(network)
    used = " + ".join(f"{source.dataset} {source.split}" for source in recipe.data.train)
    spec = DetectorSpec(
        name=recipe.name,
        network={"name": model.network, **model.options},
        mean=network.encoder.mean,
        std=network.encoder.std,
        stride=network.stride,
        multiple=network.multiple,
        long_sides=tuple(model.long_sides),
        score_threshold=model.score_threshold,
        license="Weights carry the terms of their training data: research only.",
        training_data=used,
        provenance={"recipe": provenance(recipe)},
        code_version=__version__,
    )
    return network, spec


def build_scenes(recipe: DetectionRecipe) -> tuple[list[Scene], list[Scene]]:
    """The recipe's training scenes, as often as it repeats them, and its validation scenes.

    Raises:
        InputError: no root was given, a split is missing or empty.
    """
    data = recipe.data
    root = require_root(recipe.name, data.root)
    sources = [_read(source, root)[: data.limit] for source in data.train]
    sources[0], validation = hold_out(sources[0], data.holdout.fraction, data.holdout.seed)
    if data.proposer is not None:
        sources = [
            scenes if source.dataset in DATASETS else proposed(scenes, data.proposer)
            for source, scenes in zip(data.train, sources, strict=True)
        ]
    train = [
        scene for source, scenes in zip(data.train, sources, strict=True) for scene in scenes * source.repeat
    ]
    return train, validation


def build_pictures(recipe: DetectionRecipe, network: FaceDetectorNet) -> tuple[ScenePictures, ScenePictures]:
    """Training mosaics, and validation scenes as they are."""
    train, validation = build_scenes(recipe)
    size, keep = recipe.model.input_size, recipe.data.keep
    mosaics = ScenePictures(
        train, size, network.stride, augmentation=recipe.augmentation, seed=recipe.train.seed, keep=keep
    )
    return mosaics, ScenePictures(validation, size, network.stride)


def _read(source: SceneSource, root: Path) -> list[Scene]:
    folder = root / source.folder
    if source.dataset in DATASETS:
        faces = load_dataset(source.dataset, folder, source.split)
        schema = resolve_schema(get_dataset(source.dataset), None)
        return [scene for face in faces if (scene := _scene_of(face, schema)) is not None]
    return list(load_scenes(source.dataset, folder, source.split).scenes)


def _scene_of(face: Annotation, schema: LandmarkSchema) -> Scene | None:
    """One annotated face as a scene of its own; None where its landmarks span no box."""
    try:
        box, trust = face.tight_box[None], np.array([BoxTrust.LABELED])
        points = convert_points(face.points, schema, "five")[None]
        return Scene(face.image, box, trust, face.attributes, face.name, points)
    except InputError:
        return None


FOUND_IOU = 0.4
_TAUGHT = 0.3
"""Boxes and points are taught at cells to which the teacher gives at least this chance of a face's center."""
_TRUE, _FOUND = (0, 220, 0), (255, 0, 160)


class DetectionModule(RunModule):
    """Trains a detector on pictures with maps of centers, and with what a teacher says of them.

    Validation takes unchecked boxes for faces, and detections on ignored ones for false alarms: `val_f1` puts epochs
    in order; `evaluate-detector` measures.

    Args:
        network: what is trained.
        spec: normalization and threshold.
        objective: weights of the loss parts.
        config: optimizer and schedule.
        teacher: a trained detector of the same stride, or None.
    """

    figure = Figure("val_f1", f"F1 at IoU {FOUND_IOU}", higher_is_better=True)

    def __init__(
        self,
        network: FaceDetectorNet,
        spec: DetectorSpec,
        objective: DetectionObjectiveConfig,
        config: TrainConfig,
        teacher: DetectorTeacher | None = None,
    ) -> None:
        super().__init__(config)
        self.spec: DetectorSpec = spec
        self.objective = objective
        self.teacher = teacher
        self.deployed: DeployedDetector = DeployedDetector(network, spec)

    def training_step(self, sample: Sample, index: int) -> Tensor:
        network, weights = self.deployed.network, self.objective
        maps = network(self.deployed.normalize(sample["image"]))
        batch = CenterBatch(**{name: sample[name] for name in CenterBatch.__dataclass_fields__})
        numbers, point_numbers = maps.boxes.float(), maps.points.float()
        boxes = decode_boxes(numbers, network.stride)
        points = decode_points(numbers, point_numbers, network.stride)
        parts = {
            "center": weights.center * center_loss(maps.centers, batch),
            "box": weights.box * box_loss(boxes, batch.boxes, batch.box_weights),
            "points": weights.points * point_loss(points, batch.points, batch.boxes, batch.point_weights),
        }
        if self.teacher is not None:
            taught = self.teacher(sample["image"])
            chance = taught.chances.squeeze(1)
            surely = torch.where(chance >= _TAUGHT, chance, 0.0)
            parts["taught/center"] = weights.taught * taught_center_loss(maps.centers, taught.chances, batch)
            parts["taught/box"] = weights.taught * weights.box * box_loss(boxes, taught.boxes, surely)
            parts["taught/points"] = (
                weights.taught * weights.points * point_loss(points, taught.points, taught.boxes, surely)
            )
        return self.total_loss(parts, index)

    def on_validation_epoch_start(self) -> None:
        self.counts = torch.zeros(3, device=self.device)

    def validation_step(self, sample: Sample, index: int) -> None:
        for detections, true in zip(
            self._detect(sample["image"]), map(_true_boxes, *_maps(sample)), strict=True
        ):
            hits = (box_iou(true, detections.boxes) >= FOUND_IOU).any(axis=1).sum()
            self.counts += torch.tensor([hits, len(detections), len(true)], device=self.device)

    def on_validation_epoch_end(self) -> None:
        hits, found, there = self.shared(self.counts)
        precision, recall = min(hits, found) / max(1.0, found), hits / max(1.0, there)
        self.log_dict({"val_precision": precision, "val_recall": recall}, sync_dist=True)
        self.judge(2 * precision * recall / max(1e-9, precision + recall))

    def pictures(self, samples: Sequence[Sample]) -> list[NDArray[np.uint8]]:
        """Photos with the true boxes in green and the found ones in pink."""
        images = torch.stack([sample["image"] for sample in samples])
        drawn = images.numpy().copy()
        for canvas, sample, detections in zip(drawn, samples, self._detect(images), strict=True):
            for box in _true_boxes(sample["centers"], sample["boxes"]):
                add_rectangle(canvas, box, _TRUE, 1)
            for box in detections.boxes:
                add_rectangle(canvas, box, _FOUND, 1)
        return list(drawn)

    def _detect(self, images: Tensor) -> list[Detections]:
        with torch.no_grad():
            boxes, scores, _ = (each.float().cpu().numpy() for each in self.deployed(images.to(self.device)))
        return [strongest(*each, self.spec.score_threshold) for each in zip(boxes, scores, strict=True)]


def _maps(sample: Sample) -> tuple[Tensor, Tensor]:
    return sample["centers"].cpu(), sample["boxes"].cpu()


def _true_boxes(centers: Tensor, boxes: Tensor) -> NDArray[Any]:
    """(N, 4) boxes of the faces whose centers a map (h, w) of targets holds."""
    return boxes[centers >= 1].numpy()
