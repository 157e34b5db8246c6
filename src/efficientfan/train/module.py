"""The Lightning module: one step of training, one of validation, the optimiser and its schedule."""

from __future__ import annotations

import logging
import math
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor

from efficientfan.errors import EfficientFanError
from efficientfan.losses import Batch, Objective, Prediction
from efficientfan.models import LandmarkNet
from efficientfan.models.deployed import DeployedNet, DeployedOutput
from efficientfan.recipes.config import TrainConfig
from efficientfan.spec import ModelSpec
from efficientfan.train.measures import validation_nme, visible_counts

__all__ = ["LandmarkModule", "learning_rate_factor"]

logger = logging.getLogger(__name__)


class LandmarkModule(lightning.LightningModule):
    """Trains a network with an objective; it knows neither the recipe's data nor a teacher.

    Attributes:
        val_nme: of the last validation, as a fraction; NaN before the first.

    Args:
        network: the student.
        objective: returns named loss parts.
        spec: crop, normalisation and decoder.
        config: optimiser and schedule.
    """

    def __init__(
        self, network: LandmarkNet, objective: Objective, spec: ModelSpec, config: TrainConfig
    ) -> None:
        super().__init__()
        self.objective = objective
        self.spec = spec
        self.config = config
        self.deployed = DeployedNet(network, spec)
        self.val_nme = math.nan

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
        loss = torch.stack(list(parts.values())).sum()
        if not torch.isfinite(loss):
            values = ", ".join(f"{name} {part.item():.3g}" for name, part in parts.items())
            raise EfficientFanError(
                f"the loss is not finite in epoch {self.current_epoch}, batch {index} ({values}); the last checkpoint "
                "is from before it: lower train.lr or set train.clip"
            )
        self.log_dict({f"loss/{name}": part.detach() for name, part in parts.items()})
        self.log("loss", loss.detach(), prog_bar=True)
        return loss

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
        total, faces = self.trainer.strategy.reduce(share, reduce_op="sum").tolist()
        self.val_nme = total / faces
        self.log("val_nme", self.val_nme, prog_bar=True, sync_dist=True)
        hits, found, there = self.trainer.strategy.reduce(self.visible_counts, reduce_op="sum").tolist()
        if there:
            values = {"val_visible_precision": hits / max(1.0, found), "val_visible_recall": hits / there}
            self.log_dict(values, sync_dist=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["val_nme"] = self.val_nme
        checkpoint["rng"] = torch.get_rng_state()
        if self.device.type == "cuda":
            checkpoint["rng_cuda"] = torch.cuda.get_rng_state(self.device)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.val_nme = checkpoint.get("val_nme", math.nan)
        torch.set_rng_state(checkpoint["rng"].cpu())
        if "rng_cuda" in checkpoint and self.device.type == "cuda":
            torch.cuda.set_rng_state(checkpoint["rng_cuda"].cpu(), self.device)

    def configure_optimizers(self) -> Any:
        decayed = [p for p in self.parameters() if p.requires_grad and p.ndim > 1]
        others = [p for p in self.parameters() if p.requires_grad and p.ndim <= 1]
        kind = torch.optim.AdamW if self.config.optimiser == "adamw" else torch.optim.Adam
        optimiser = kind(
            [
                {"params": decayed, "weight_decay": self.config.weight_decay},
                {"params": others, "weight_decay": 0.0},
            ],
            lr=self.config.lr,
        )
        total = int(self.trainer.estimated_stepping_batches)
        if self.config.warmup_steps >= total:
            logger.warning(
                "the run has %d steps, train.warmup_steps is %d: it ends before train.lr is reached",
                total,
                self.config.warmup_steps,
            )
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: learning_rate_factor(self.config, step, total)
        )
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def learning_rate_factor(config: TrainConfig, step: int, total: int) -> float:
    """Share of the recipe's learning rate at an optimiser step: linear warm-up, then drops or half a cosine."""
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    if config.schedule == "steps":
        return float(config.gamma ** sum(step >= share * total for share in config.milestones))
    done = (step - config.warmup_steps) / max(1, total - config.warmup_steps)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
