"""What happens around the loop: checkpoints, a stop after the current step, a line and pictures each epoch."""

from __future__ import annotations

import io
import logging
import signal
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any, cast

import lightning
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, WeightAveraging
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor

from efficientfan.draw import contact_sheet
from efficientfan.errors import EfficientFanError, InputError, Interrupted, first_line
from efficientfan.files import write_bytes
from efficientfan.imaging import write_image
from efficientfan.train.data_module import FaceData
from efficientfan.train.module import RunModule

__all__ = [
    "AveragedWeights",
    "Checkpoints",
    "EpochLines",
    "KeepLast",
    "StopEarly",
    "StopGently",
    "ValidationSheet",
]

logger = logging.getLogger(__name__)


class Checkpoints(TorchCheckpointIO):
    """Writes and reads the files of checkpoints: a full disk, a kill or a crash leaves the former one whole.

    Lightning's own goes through the folder of temporary files and, where that is another device, copies from there over
    the former checkpoint.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint to `path`, atomically.

        Raises:
            EfficientFanError: it cannot be written; the former one is as it was.
        """
        content = io.BytesIO()
        torch.save(checkpoint, content)
        try:
            write_bytes(path, content.getvalue(), durable=True)
        except InputError as error:
            raise EfficientFanError(
                f"{error}; the checkpoint before is whole: make room, then go on with --resume"
            ) from error

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = True) -> Any:
        """The content of a checkpoint; the arguments are Lightning's, and nothing but weights is ever read.

        Raises:
            InputError: it is damaged, or something else.
        """
        try:
            checkpoint = torch.load(path, map_location=map_location or "cpu", weights_only=True)
            missing = {"state_dict", "optimizer_states", "loops", "global_step"} - set(checkpoint)
        except Exception as error:  # torch and pickle raise all sorts on damaged files
            raise InputError(
                f"{path}: is damaged and cannot be resumed from ({first_line(error)}); remove it and start anew "
                "without --resume"
            ) from error
        if missing:
            raise InputError(f"{path}: is no checkpoint of training; it lacks {', '.join(sorted(missing))}")
        return checkpoint


class StopEarly(EarlyStopping):
    """Lightning's, except that a run which it had stopped, and which was killed then, does not train further."""

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Called when the state of a checkpoint has been restored."""
        super().on_train_start(trainer, pl_module)
        if self.wait_count >= self.patience or self.stopped_epoch > 0:
            trainer.should_stop = True


class KeepLast(Callback):
    """Saves the whole state to one file: at the end of every epoch, and every few minutes within it.

    Args:
        path: the checkpoint.
        every_steps: also after so many optimizer steps; None turns it off.
        every_minutes: also after so much time.
    """

    def __init__(self, path: Path, *, every_steps: int | None = None, every_minutes: float = 5.0) -> None:
        self.path = path
        self.every_steps = every_steps
        self.every_minutes = every_minutes
        self._saved_step = 0
        self._saved_at = time.monotonic()

    def save(self, trainer: lightning.Trainer) -> None:
        """Write the checkpoint now, and the logs up to it; all processes must call it together.

        Raises:
            EfficientFanError: a weight is not finite; the former checkpoint stays.
        """
        # A gradient that is not finite can follow from a loss that is: the next batch would be too late.
        if not all(bool(weight.isfinite().all()) for weight in trainer.lightning_module.parameters()):
            raise EfficientFanError(
                f"the weights are not finite after step {trainer.global_step}; checkpoints are from before it: lower "
                "train.lr or set train.clip"
            )
        for log in trainer.loggers:
            log.save()
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
        if not _may_leave(trainer, batch_idx):
            return
        if self.every_steps is not None:
            due = trainer.global_step - self._saved_step >= self.every_steps
        else:
            late = time.monotonic() - self._saved_at >= 60 * self.every_minutes
            due = bool(trainer.strategy.broadcast(late))  # clocks differ; one process decides
        if due:
            self.save(trainer)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.save(trainer)


def _may_leave(trainer: lightning.Trainer, batch_idx: int) -> bool:
    """Whether a checkpoint taken after this batch is one to go on from exactly.

    Gradients under way are not part of it. After an epoch's last batch, Lightning would go on with the next
    epoch without validating: the end of the epoch is the place to save then.
    """
    return not trainer.is_last_batch and (batch_idx + 1) % trainer.accumulate_grad_batches == 0


class StopGently(Callback):
    """Turns the first Ctrl-C or SIGTERM into: finish the step, save, stop. A second Ctrl-C stops at once.

    Lightning restores the signals' former handlers when `fit` ends, in whatever way.

    Args:
        last: saves the checkpoint; it must come before this one among the callbacks.
    """

    def __init__(self, last: KeepLast) -> None:
        self.last = last
        self._asked = 0  # number of the signal

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if threading.current_thread() is not threading.main_thread():
            return  # signals are the main thread's
        at_once = signal.getsignal(signal.SIGINT)

        def note(number: int, frame: FrameType | None) -> None:
            self._asked = number
            signal.signal(signal.SIGINT, at_once)

        signal.signal(signal.SIGINT, note)
        signal.signal(signal.SIGTERM, note)

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        if _may_leave(trainer, batch_idx) and self._asked_anywhere(trainer):
            self.last.save(trainer)
            self._stop(trainer)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if self._asked_anywhere(trainer) and not trainer.should_stop:  # an early stop needs no other
            self._stop(trainer)

    def _asked_anywhere(self, trainer: lightning.Trainer) -> bool:
        """Processes hear a signal at different steps, or only one of them does; they must stop together."""
        return trainer.strategy.reduce_boolean_decision(bool(self._asked), all=False)

    def _stop(self, trainer: lightning.Trainer) -> None:
        raise Interrupted(
            f"stopped after step {trainer.global_step}; {self.last.path} is saved: go on with --resume",
            self._asked or signal.SIGTERM,  # another process was asked
        )


class AveragedWeights(WeightAveraging):
    """An exponential moving average of the weights and buffers, validated and kept in place of the last ones.

    The decay of the n-th update is min(decay, n / (n + 9)): the average begins as a plain mean of the first steps, so
    a short run is not left with a share of its starting weights (as in TensorFlow's `num_updates`).

    Args:
        decay: in the long run.
    """

    def __init__(self, decay: float) -> None:
        def average(mean: Tensor, weights: Tensor, n: Tensor | int) -> Tensor:
            return mean + (weights - mean) * (1 - min(decay, float(n) / (float(n) + 9)))

        super().__init__(avg_fn=average)


class EpochLines(Callback):
    """One line per epoch in the log, where there is no progress bar."""

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self._began, self._first_step = time.monotonic(), trainer.global_step

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        values, figure = trainer.callback_metrics, cast(RunModule, pl_module).figure
        if "loss" not in values or figure.key not in values:
            return  # resumed from an epoch's validation, as of best.ckpt, where nothing of the epoch is left to do
        logger.info(
            "epoch %d of %s: %d steps in %.0f s, loss %.4g, validation %s %.2f %%",
            trainer.current_epoch + 1,
            trainer.max_epochs,
            trainer.global_step - self._first_step,
            time.monotonic() - self._began,
            values["loss"].item(),
            figure.text,
            100 * values[figure.key].item(),
        )
        self._began, self._first_step = time.monotonic(), trainer.global_step


class ValidationSheet(Callback):
    """A picture of what the network makes of the first validation samples, every epoch.

    Args:
        folder: where `epoch_000.jpg` and so on are written.
        count: how many.
    """

    def __init__(self, folder: Path, count: int = 12) -> None:
        self.folder = folder
        self.count = count

    def on_validation_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        if not trainer.is_global_zero or not isinstance(pl_module, RunModule):
            return
        data = getattr(trainer, "datamodule", None)  # Lightning's connector sets it, not the class
        if not isinstance(data, FaceData):
            return
        shown = [data.validation[index] for index in range(min(self.count, len(data.validation)))]
        sheet = contact_sheet(pl_module.pictures(shown), columns=4)
        write_image(self.folder / f"epoch_{trainer.current_epoch:03d}.jpg", sheet)
