"""`fit`: run a recipe and leave a folder with everything it gave."""

from __future__ import annotations

import difflib
import logging
import os
import warnings
from pathlib import Path

import lightning
import torch
import yaml
from lightning.pytorch import callbacks, loggers

from efficientfan.errors import InputError
from efficientfan.files import write_text
from efficientfan.models import save_checkpoint
from efficientfan.recipes import Recipe, load_recipe
from efficientfan.train.build import build_objective, build_spec, build_student, check_cacheable, with_metrics
from efficientfan.train.callbacks import KeepLast, StopGently, ValidationSheet
from efficientfan.train.data_module import FaceData
from efficientfan.train.faces import build_crops, build_faces
from efficientfan.train.module import LandmarkModule

__all__ = ["fit"]

logger = logging.getLogger(__name__)

_PRECISION = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


def fit(
    recipe: Recipe,
    out: str | Path,
    *,
    resume: bool = False,
    devices: int | str = "auto",
    nodes: int = 1,
    teacher_cache: Path | None = None,
) -> Path:
    """Train as the recipe says.

    The folder then holds `recipe.yaml`, `model.safetensors` (the last, averaged weights with their spec),
    `checkpoints/last.ckpt` (everything to go on exactly) and `best.ckpt`, `logs/` (CSV and TensorBoard) and
    `validation/` (a picture per epoch).

    Args:
        recipe: what to do.
        out: folder of the run.
        resume: go on from the folder's last checkpoint.
        devices: number of devices or processes of each machine, or "auto".
        nodes: number of machines; the launcher (torchrun, SLURM) starts the processes.
        teacher_cache: folder that keeps the teacher's outputs, for recipes without augmentation.

    Returns:
        The path of `model.safetensors`.

    Raises:
        InputError: unusable data, a folder in use, nothing to resume, a resume with another recipe, or a
            cache that could not serve.
        Interrupted: stopped by Ctrl-C, after a checkpoint.
        EfficientFanError: the loss is not a number; the last checkpoint is from before.
    """
    folder = Path(out)
    last = folder / "checkpoints" / "last.ckpt"
    if teacher_cache is not None:
        check_cacheable(recipe)
    _check_folder(folder, last, recipe, resume)

    lightning.seed_everything(recipe.train.seed, verbose=False)
    faces = build_faces(recipe)
    network = build_student(recipe).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    spec = build_spec(recipe, network)
    objective = build_objective(recipe, network, spec, teacher_cache=teacher_cache)
    module = LandmarkModule(network, objective, spec, recipe.train)
    train, validation = build_crops(recipe, faces)
    logger.info("%d training faces an epoch, %d for validation", len(train), len(validation))
    data = FaceData(
        train,
        validation,
        batch_size=recipe.train.batch_size,
        workers=recipe.train.workers,
        seed=recipe.train.seed,
    )
    batches = max(1, len(train) // recipe.train.batch_size)
    trainer = _trainer(recipe, folder, last, devices, nodes, log_every=min(20, batches))
    if not resume:
        write_text(folder / "recipe.yaml", _written(recipe))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*LeafSpec.*")  # Lightning and torch's pytree
        warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists and is not empty.*")
        trainer.fit(module, data, ckpt_path=last if resume else None, weights_only=True if resume else None)
    model = folder / "model.safetensors"
    if trainer.is_global_zero:
        value = float(trainer.callback_metrics["val_nme"])
        save_checkpoint(model, network, with_metrics(spec, val_nme=value))
        logger.info("validation NME %.2f %%; wrote %s", 100 * value, model)
    return model


def _check_folder(folder: Path, last: Path, recipe: Recipe, resume: bool) -> None:
    """Refuse to overwrite a run, or to go on with another one."""
    note = folder / "recipe.yaml"
    if not resume:
        if last.exists():
            raise InputError(f"{folder}: holds a run already; add --resume to go on, or choose another --out")
        return
    if not last.is_file() or not note.is_file():
        raise InputError(f"{folder}: holds no checkpoint to resume from; start without --resume")
    former = _written(load_recipe(note))  # keys that are newer than the run have their defaults
    now = _written(recipe)
    if former != now:
        changes = difflib.unified_diff(
            former.splitlines(), now.splitlines(), "before", "now", lineterm="", n=0
        )
        raise InputError(
            f"{folder}: was started with another recipe, so it cannot be resumed:\n" + "\n".join(changes)
        )


def _written(recipe: Recipe) -> str:
    return yaml.safe_dump(recipe.model_dump(mode="json", by_alias=True), sort_keys=False)


def _trainer(
    recipe: Recipe, folder: Path, last: Path, devices: int | str, nodes: int, log_every: int
) -> lightning.Trainer:
    config = recipe.train
    keep_last = KeepLast(last, every_minutes=config.checkpoint_minutes, every_steps=config.checkpoint_steps)
    hooks: list[callbacks.Callback] = [
        callbacks.LearningRateMonitor("step"),
        callbacks.RichProgressBar() if os.isatty(2) else callbacks.TQDMProgressBar(refresh_rate=100),
        ValidationSheet(folder / "validation"),
    ]
    if config.ema is not None:
        hooks.append(callbacks.EMAWeightAveraging(decay=config.ema))
    if config.early_stop is not None:
        hooks.append(callbacks.EarlyStopping("val_nme", patience=config.early_stop))
    best = callbacks.ModelCheckpoint(last.parent, "best", monitor="val_nme", enable_version_counter=False)
    return lightning.Trainer(
        max_epochs=config.epochs,
        accelerator="auto",
        devices=devices,
        num_nodes=nodes,
        precision=_PRECISION[config.precision],  # type: ignore[arg-type]
        gradient_clip_val=config.clip,
        accumulate_grad_batches=config.accumulate,
        deterministic="warn" if config.deterministic else False,
        # The averaged weights must be up to date before they are saved, so the savers come last.
        callbacks=[*hooks, keep_last, StopGently(keep_last), best],
        logger=[
            loggers.CSVLogger(folder / "logs", name="csv"),
            loggers.TensorBoardLogger(folder / "logs", name="tensorboard"),
        ],
        use_distributed_sampler=False,  # ours knows its rank and its place
        num_sanity_val_steps=0,
        enable_model_summary=False,
        log_every_n_steps=log_every,
    )
