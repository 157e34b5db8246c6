"""Training the face detector: one step of training, one of validation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from efficientfan.codec.centres import decode_boxes
from efficientfan.data.dataset import Sample
from efficientfan.draw import add_rectangle
from efficientfan.geometry import box_iou
from efficientfan.losses.detection import CentreBatch, box_loss, centre_loss
from efficientfan.models.detector import DeployedDetector, FaceDetectorNet
from efficientfan.predict.detectors.base import Detections, strongest
from efficientfan.recipes.config import TrainConfig
from efficientfan.recipes.detection import DetectionObjectiveConfig
from efficientfan.spec import DetectorSpec
from efficientfan.train.run_module import Figure, RunModule

__all__ = ["DetectionModule"]

FOUND_IOU = 0.4
_TRUE, _FOUND = (0, 220, 0), (255, 0, 160)


class DetectionModule(RunModule):
    """Trains a detector on pictures with maps of centres.

    Validation takes unchecked boxes for faces, and detections on ignored ones for false alarms: `val_f1` puts epochs
    in order; `evaluate-detector` measures.

    Args:
        network: what is trained.
        spec: normalisation and threshold.
        objective: weights of the loss parts.
        config: optimiser and schedule.
    """

    figure = Figure("val_f1", f"F1 at IoU {FOUND_IOU}", higher_is_better=True)

    def __init__(
        self,
        network: FaceDetectorNet,
        spec: DetectorSpec,
        objective: DetectionObjectiveConfig,
        config: TrainConfig,
    ) -> None:
        super().__init__(config)
        self.spec: DetectorSpec = spec
        self.objective = objective
        self.deployed: DeployedDetector = DeployedDetector(network, spec)

    def training_step(self, sample: Sample, index: int) -> Tensor:
        centres, numbers = self.deployed.network(self.deployed.normalise(sample["image"]))
        batch = CentreBatch(*(sample[name] for name in ("centres", "boxes", "box_weights", "counted")))
        boxes = decode_boxes(numbers.float(), self.deployed.network.stride)
        parts = {
            "centre": self.objective.centre * centre_loss(centres, batch),
            "box": self.objective.box * box_loss(boxes, batch),
        }
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
            for box in _true_boxes(sample["centres"], sample["boxes"]):
                add_rectangle(canvas, box, _TRUE, 1)
            for box in detections.boxes:
                add_rectangle(canvas, box, _FOUND, 1)
        return list(drawn)

    def _detect(self, images: Tensor) -> list[Detections]:
        with torch.no_grad():
            boxes, scores = (each.float().cpu().numpy() for each in self.deployed(images.to(self.device)))
        return [strongest(*each, self.spec.score_threshold) for each in zip(boxes, scores, strict=True)]


def _maps(sample: Sample) -> tuple[Tensor, Tensor]:
    return sample["centres"].cpu(), sample["boxes"].cpu()


def _true_boxes(centres: Tensor, boxes: Tensor) -> NDArray[Any]:
    """(N, 4) boxes of the faces whose centres a map (h, w) of targets holds."""
    return boxes[centres >= 1].numpy()
