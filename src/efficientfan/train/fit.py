"""`fit`: run a recipe and leave a folder with everything it gave."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Literal

import lightning
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import callbacks, loggers

from efficientfan.errors import EfficientFanError, InputError, first_line
from efficientfan.models import save_checkpoint
from efficientfan.recipes import AnyRecipe
from efficientfan.recipes.run_folder import RunFolder
from efficientfan.train.callbacks import (
    AveragedWeights,
    Checkpoints,
    EpochLines,
    KeepLast,
    StopEarly,
    StopGently,
    ValidationSheet,
)
from efficientfan.train.data_module import FaceData
from efficientfan.train.depthwise import Float32DepthwiseGradients
from efficientfan.train.module import Figure, RunModule
from efficientfan.train.setup import TrainingSetup, set_up_training

__all__ = ["fit"]

logger = logging.getLogger(__name__)

_PRECISION: dict[str, Literal["32-true", "bf16-mixed", "16-mixed"]] = {
    "fp32": "32-true",
    "bf16": "bf16-mixed",
    "fp16": "16-mixed",
}


def fit(
    recipe: AnyRecipe,
    out: str | Path,
    *,
    resume: bool = False,
    devices: int | str = "auto",
    nodes: int = 1,
) -> Path:
    """Train as the recipe says.

    The folder then holds `recipe.yaml`, `model.safetensors` (the last, averaged weights with their spec),
    `checkpoints/last.ckpt` (everything to go on exactly) and `best.ckpt`, `logs/` (CSV and TensorBoard) and
    `validation/` (a picture per epoch).

    Args:
        recipe: what to do.
        out: folder of the run.
        resume: go on from the folder's last checkpoint; `train.epochs` may be more than before.
        devices: number of devices or processes of each machine, or "auto".
        nodes: number of machines; the launcher (torchrun, SLURM) starts the processes.

    Returns:
        The path of `model.safetensors`.

    Raises:
        InputError: unusable data, a folder that holds a run or that another run is writing to, nothing to resume, a
            damaged checkpoint, a resume with another recipe, or devices that are not there.
        Interrupted: stopped by Ctrl-C or SIGTERM, after a checkpoint.
        EfficientFanError: the loss or the weights are not finite; the last checkpoint is from before. Or a process that
            loads photos has died.
    """
    folder = RunFolder(Path(out))
    longer = folder.check(recipe, resume=resume)
    if folder.model.exists() and resume and not longer:
        logger.info("%s: this run has come to its end", folder.path)
        return folder.model

    # What may be wrong with the recipe is found before the data sets are read.
    lightning.seed_everything(recipe.train.seed, verbose=False)
    setup = set_up_training(recipe)
    if recipe.model.init == "scratch" and recipe.model.start is None and not resume:
        logger.info("the network starts from scratch")
    trainer = _trainer(recipe, folder, setup.module.figure, devices, nodes)
    data = _data(recipe, setup, trainer)
    with folder.lock() if trainer.is_global_zero else nullcontext():
        if not resume:
            folder.check(recipe, resume=False)  # again: another run may have begun meanwhile
        if longer or not resume:
            folder.claim(recipe)
        _train(recipe, folder, setup, trainer, data, resume=resume)
        if trainer.is_global_zero:
            _write_model(folder, setup.module)
    return folder.model


def _train(
    recipe: AnyRecipe,
    folder: RunFolder,
    setup: TrainingSetup,
    trainer: lightning.Trainer,
    data: FaceData,
    *,
    resume: bool,
) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*LeafSpec.*")  # Lightning and torch's pytree
        warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists and is not empty.*")
        last = folder.last if resume else None
        with _fast_gradients(recipe, trainer), _loader_alive(folder):
            trainer.fit(setup.module, data, ckpt_path=last, weights_only=True if resume else None)


@contextmanager
def _loader_alive(folder: RunFolder) -> Iterator[None]:
    """A process of the loader that dies in this block, say for lack of memory, as one line with the way out."""
    try:
        yield
    except Exception as error:
        # torch has no class for it, and others may have been raised while it was handled.
        died: BaseException | None = error
        while died is not None and not str(died).startswith("DataLoader worker "):
            died = died.__cause__ or died.__context__
        if died is None:
            raise
        way = "go on with --resume" if folder.last.exists() else "start again"
        raise EfficientFanError(
            f"a process that loads photos has died ({first_line(died)}), perhaps for lack of memory; make room, "
            f"then {way}"
        ) from error


def _fast_gradients(recipe: AnyRecipe, trainer: lightning.Trainer) -> AbstractContextManager[object]:
    on_cpu = trainer.strategy.root_device.type == "cpu"
    return Float32DepthwiseGradients() if on_cpu and recipe.train.precision == "bf16" else nullcontext()


def _data(recipe: AnyRecipe, setup: TrainingSetup, trainer: lightning.Trainer) -> FaceData:
    train, validation = setup.read_samples()
    processes = trainer.world_size
    if len(validation) < processes:
        raise InputError(
            f"{len(validation)} validation samples for {processes} processes; raise data.holdout.fraction, or use fewer"
        )
    logger.info(
        "%d training samples an epoch, %d for validation, on %d x %s",
        len(train),
        len(validation),
        processes,
        trainer.strategy.root_device.type,
    )
    config = recipe.train
    batches = len(train) // (config.batch_size * processes)
    left_out = len(train) - batches * config.batch_size * processes
    if batches and left_out:
        logger.info(
            "%d of them, others in each epoch, fill no batch of %d and are left out",
            left_out,
            config.batch_size,
        )
    steps = max(1, min(20, batches))
    trainer.log_every_n_steps = steps  # type: ignore[attr-defined]  # Lightning's connectors set it, not the class
    return FaceData(train, validation, batch_size=config.batch_size, workers=config.workers, seed=config.seed)


def _write_model(folder: RunFolder, module: RunModule) -> None:
    """The model is that of the last checkpoint, also where a run was killed right after writing that one."""
    state = Checkpoints().load_checkpoint(folder.last)["state_dict"]  # averaged, with EMA
    module.load_state_dict(state)
    figure = module.figure
    save_checkpoint(
        folder.model,
        module.deployed.network,
        replace(module.spec, metrics={**module.spec.metrics, figure.key: module.judged}),
    )
    logger.info("validation %s %.2f %%; wrote %s", figure.text, 100 * module.judged, folder.model)


def _trainer(
    recipe: AnyRecipe, folder: RunFolder, figure: Figure, devices: int | str, nodes: int
) -> lightning.Trainer:
    config, mode = recipe.train, "max" if figure.higher_is_better else "min"
    keep_last = KeepLast(
        folder.last, every_minutes=config.checkpoint_minutes, every_steps=config.checkpoint_steps
    )
    watched = os.isatty(2)
    hooks: list[callbacks.Callback] = [
        callbacks.LearningRateMonitor("step"),
        callbacks.RichProgressBar(console_kwargs={"stderr": True}) if watched else EpochLines(),
        ValidationSheet(folder.sheets),
    ]
    if config.ema is not None:
        hooks.append(AveragedWeights(config.ema))
    if config.early_stop is not None:
        stop = StopEarly(
            figure.key,
            mode=mode,
            patience=config.early_stop,
            check_on_train_epoch_end=False,
            verbose=False,
        )
        hooks.append(stop)
    # Both act when an epoch has been validated: the last checkpoint of an epoch is written after them.
    best = callbacks.ModelCheckpoint(
        folder.last.parent,
        "best",
        monitor=figure.key,
        mode=mode,
        save_on_train_epoch_end=False,
        enable_version_counter=False,
    )
    try:
        return lightning.Trainer(
            max_epochs=config.epochs,
            accelerator="auto",
            devices=devices,
            num_nodes=nodes,
            precision=_PRECISION[config.precision],
            gradient_clip_val=config.clip,
            accumulate_grad_batches=config.accumulate,
            deterministic="warn" if config.deterministic else False,
            # The averaged weights must be up to date before they are saved, so the savers come last.
            callbacks=[*hooks, keep_last, StopGently(keep_last), best],
            logger=[
                loggers.CSVLogger(folder.logs, name="csv"),
                loggers.TensorBoardLogger(folder.logs, name="tensorboard"),
            ],
            plugins=[Checkpoints()],
            use_distributed_sampler=False,  # ours knows its rank and its place
            num_sanity_val_steps=0,
            enable_model_summary=False,
            enable_progress_bar=watched,
        )
    except MisconfigurationException as error:
        raise InputError(f"devices: {error}") from error
