"""What every training run has in common: optimizer, schedule, and what a checkpoint carries besides weights."""

from __future__ import annotations

import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from efficientfan.data.dataset import Sample
from efficientfan.errors import EfficientFanError
from efficientfan.models.deployed import DeployedNet
from efficientfan.models.detector import DeployedDetector
from efficientfan.recipes.config import TrainConfig
from efficientfan.spec import DetectorSpec, ModelSpec

__all__ = ["Figure", "RunModule", "learning_rate_factor"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Figure:
    """The validation figure that a run is judged by.

    Attributes:
        key: its name in logs, checkpoints and specs.
        text: for people.
        higher_is_better: which way.
    """

    key: str
    text: str
    higher_is_better: bool


class RunModule(lightning.LightningModule, ABC):
    """A network in training. Subclasses give the steps and pictures, and call `judge` when they have validated.

    Attributes:
        figure: what `judged` is.
        judged: of the last validation, as a fraction; NaN before the first.
        deployed: the network with what comes before and after it.
        spec: what it is saved with.
    """

    figure: ClassVar[Figure]
    deployed: DeployedNet | DeployedDetector
    spec: ModelSpec | DetectorSpec

    def __init__(self, config: TrainConfig) -> None:
        super().__init__()
        self.config = config
        self.judged = math.nan
        self.total_steps = 0

    @abstractmethod
    def pictures(self, samples: Sequence[Sample]) -> list[NDArray[np.uint8]]:
        """What the network makes of validation samples, drawn: one H x W x 3 picture each."""

    def total_loss(self, parts: Mapping[str, Tensor], index: int) -> Tensor:
        """The sum of named loss parts, logged.

        Raises:
            EfficientFanError: it is not finite.
        """
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

    @property
    def progress(self) -> float:
        """Share of the run's optimizer steps that are done, in [0, 1]; it goes on exactly where a run does."""
        return min(1.0, self.global_step / max(1, self.total_steps))

    def shared(self, values: Tensor) -> list[float]:
        """The sum of a vector over all processes."""
        total: list[float] = self.trainer.strategy.reduce(values, reduce_op="sum").tolist()
        return total

    def judge(self, value: float) -> None:
        """Take note of a validation's figure."""
        self.judged = value
        self.log(self.figure.key, value, prog_bar=True, sync_dist=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint[self.figure.key] = self.judged
        checkpoint["rng"] = torch.get_rng_state()
        if self.device.type == "cuda":
            checkpoint["rng_cuda"] = torch.cuda.get_rng_state(self.device)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.judged = checkpoint.get(self.figure.key, math.nan)
        logger.info("resuming at step %d", checkpoint["global_step"])
        torch.set_rng_state(checkpoint["rng"].cpu())
        if "rng_cuda" in checkpoint and self.device.type == "cuda":
            torch.cuda.set_rng_state(checkpoint["rng_cuda"].cpu(), self.device)

    def configure_optimizers(self) -> Any:
        decayed = [p for p in self.parameters() if p.requires_grad and p.ndim > 1]
        others = [p for p in self.parameters() if p.requires_grad and p.ndim <= 1]
        kind = torch.optim.AdamW if self.config.optimizer == "adamw" else torch.optim.Adam
        optimizer = kind(
            [
                {"params": decayed, "weight_decay": self.config.weight_decay},
                {"params": others, "weight_decay": 0.0},
            ],
            lr=self.config.lr,
        )
        total = self.total_steps = int(self.trainer.estimated_stepping_batches)
        if self.config.warmup_steps >= total:
            logger.warning(
                "the run has %d steps, train.warmup_steps is %d: it ends before train.lr is reached; take more "
                "epochs, or add --set train.warmup_steps=%d",
                total,
                self.config.warmup_steps,
                total // 10,
            )
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: learning_rate_factor(self.config, step, total)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def learning_rate_factor(config: TrainConfig, step: int, total: int) -> float:
    """Share of the recipe's learning rate at an optimizer step: linear warm-up, then drops or half a cosine."""
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    if config.schedule == "steps":
        return float(config.gamma ** sum(step >= share * total for share in config.milestones))
    done = (step - config.warmup_steps) / max(1, total - config.warmup_steps)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
