"""Training landmarks: one step of training, one of validation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from efficientfan.data.dataset import Sample
from efficientfan.draw import draw_points
from efficientfan.losses import Batch, Objective, Prediction
from efficientfan.models import LandmarkNet
from efficientfan.models.deployed import DeployedNet, DeployedOutput
from efficientfan.recipes.config import TrainConfig
from efficientfan.spec import ModelSpec
from efficientfan.train.measures import validation_nme, visible_counts
from efficientfan.train.run_module import Figure, RunModule

__all__ = ["LandmarkModule"]


class LandmarkModule(RunModule):
    """Trains a network with an objective; it knows neither the recipe's data nor a teacher.

    Args:
        network: the student.
        objective: returns named loss parts.
        spec: crop, normalisation and decoder.
        config: optimiser and schedule.
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
        images = self.deployed.normalise(sample["crop"])
        batch = Batch(images, sample["points"], sample["weights"], sample["visibility"])
        output = self.deployed.network(batch.images)
        points, _ = self.deployed.decoder(output.heatmaps)
        parts = self.objective(Prediction(output, points), batch)
        return self.total_loss(parts, index)

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
