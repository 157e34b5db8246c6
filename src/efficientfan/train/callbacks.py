"""What happens around the loop: checkpoints, a gentle stop, pictures."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback

from efficientfan.draw import contact_sheet, draw_points
from efficientfan.errors import EfficientFanError
from efficientfan.imaging import write_image
from efficientfan.train.module import LandmarkModule

__all__ = ["Interrupted", "KeepLast", "StopGently", "ValidationSheet"]


class Interrupted(EfficientFanError):
    """Training was stopped by the user, after a checkpoint."""


class KeepLast(Callback):
    """Saves the whole state to one file: at the end of every epoch, and every few minutes within it.

    Lightning writes to a temporary file and renames: a full disk or a kill leaves the old checkpoint whole.

    Args:
        path: the checkpoint.
        every_steps: also after so many optimiser steps; None turns it off.
        every_minutes: also after so much time.
    """

    def __init__(self, path: Path, *, every_steps: int | None = None, every_minutes: float = 5.0) -> None:
        self.path = path
        self.every_steps = every_steps
        self.every_minutes = every_minutes
        self._saved_step = 0
        self._saved_at = time.monotonic()

    def save(self, trainer: lightning.Trainer) -> None:
        """Write the checkpoint now; all processes must call it together."""
        trainer.save_checkpoint(self.path)
        self._saved_step, self._saved_at = trainer.global_step, time.monotonic()

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return  # gradients under way are not part of a checkpoint
        if self.every_steps is not None:
            due = trainer.global_step - self._saved_step >= self.every_steps
        else:
            late = time.monotonic() - self._saved_at >= 60 * self.every_minutes
            due = bool(trainer.strategy.broadcast(late))  # clocks differ; one process decides
        if due:
            self.save(trainer)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.save(trainer)


class StopGently(Callback):
    """Turns the first Ctrl-C into: finish the step, save, stop. A second Ctrl-C stops at once."""

    def __init__(self, last: KeepLast) -> None:
        self.last = last
        self._asked = False
        self._former: Any = None

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self._former = signal.signal(signal.SIGINT, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._asked = True
        signal.signal(signal.SIGINT, self._former)

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        if self._asked and (batch_idx + 1) % trainer.accumulate_grad_batches == 0:
            self.last.save(trainer)
            raise Interrupted(
                f"stopped after step {trainer.global_step}; {self.last.path} is saved: go on with --resume"
            )

    def teardown(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        if self._former is not None:
            signal.signal(signal.SIGINT, self._former)
            self._former = None


class ValidationSheet(Callback):
    """A picture of the first validation faces with their predicted landmarks, every epoch.

    Args:
        folder: where `epoch_000.jpg` and so on are written.
        faces: how many.
    """

    def __init__(self, folder: Path, faces: int = 12) -> None:
        self.folder = folder
        self.faces = faces

    def on_validation_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        if not trainer.is_global_zero or not isinstance(pl_module, LandmarkModule):
            return
        shown = trainer.datamodule.validation  # type: ignore[attr-defined]
        crops = torch.stack([shown[index]["crop"] for index in range(min(self.faces, len(shown)))])
        with torch.no_grad():
            points = pl_module(crops.to(pl_module.device)).points
        pictures = [
            draw_points(crop, face, pl_module.spec.schema)
            for crop, face in zip(crops.numpy(), points.float().cpu().numpy().astype(np.float64), strict=True)
        ]
        write_image(
            self.folder / f"epoch_{trainer.current_epoch:03d}.jpg", contact_sheet(pictures, columns=4)
        )
