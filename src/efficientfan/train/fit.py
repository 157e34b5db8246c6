"""`fit`: run a recipe and leave a folder with everything it gave."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import lightning
import torch
import yaml
from lightning.pytorch import callbacks, loggers

from efficientfan.data.dataset import CropSpec, FaceCrops
from efficientfan.errors import InputError
from efficientfan.files import write_text
from efficientfan.models import save_checkpoint
from efficientfan.recipes import Recipe
from efficientfan.train.build import build_faces, build_objective, build_spec, build_student, with_metrics
from efficientfan.train.data_module import FaceData
from efficientfan.train.module import LandmarkModule

__all__ = ["fit"]

logger = logging.getLogger(__name__)


def fit(recipe: Recipe, out: str | Path, *, resume: bool = False, devices: int | str = "auto") -> Path:
    """Train as the recipe says.

    Args:
        recipe: what to do.
        out: folder of the run: `recipe.yaml`, `checkpoints/`, `metrics.csv`, TensorBoard logs, `model.safetensors`.
        resume: go on from the folder's last checkpoint.
        devices: number of processes, or "auto".

    Returns:
        The path of `model.safetensors`: the last (averaged) weights with their spec.

    Raises:
        InputError: unusable data, a folder in use, or nothing to resume.
    """
    folder = Path(out)
    last = folder / "checkpoints" / "last.ckpt"
    text = yaml.safe_dump(recipe.model_dump(mode="json", by_alias=True), sort_keys=False)
    if resume:
        if not last.is_file():
            raise InputError(f"{folder}: holds no checkpoint to resume from")
    elif last.exists():
        raise InputError(f"{folder}: holds a run already; add --resume to go on, or choose another --out")
    write_text(folder / "recipe.yaml", text)

    lightning.seed_everything(recipe.train.seed, verbose=False)
    faces = build_faces(recipe)
    network = build_student(recipe).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    spec = build_spec(recipe, network)
    module = LandmarkModule(network, build_objective(recipe, network.stride), spec, recipe.train)
    crop = CropSpec(spec.input_size, spec.crop_margin)
    train = FaceCrops(
        faces.train, spec.schema, crop, augmentation=recipe.augmentation, weights=faces.weights,
        seed=recipe.train.seed, boxes=recipe.data.boxes,
    )  # fmt: skip
    validation = FaceCrops(faces.validation, spec.schema, crop, boxes=recipe.data.boxes)
    logger.info("%d training faces an epoch, %d for validation", len(train), len(validation))
    data = FaceData(
        train, validation, batch_size=recipe.train.batch_size, workers=recipe.train.workers, seed=recipe.train.seed
    )
    trainer = _trainer(recipe, folder, devices)
    trainer.fit(module, data, ckpt_path=last if resume else None, weights_only=True if resume else None)
    model = folder / "model.safetensors"
    if trainer.is_global_zero:
        value = float(trainer.callback_metrics["val_nme"])
        save_checkpoint(model, network, with_metrics(spec, val_nme=value))
        logger.info("validation NME %.2f %%; wrote %s", 100 * value, model)
    return model


def _trainer(recipe: Recipe, folder: Path, devices: int | str) -> lightning.Trainer:
    config = recipe.train
    hooks: list[callbacks.Callback] = [
        callbacks.ModelCheckpoint(
            folder / "checkpoints", filename="best", monitor="val_nme", save_last=True, every_n_epochs=1,
            enable_version_counter=False,
        ),  # fmt: skip
        callbacks.LearningRateMonitor("step"),
        callbacks.RichProgressBar() if os.isatty(2) else callbacks.TQDMProgressBar(refresh_rate=100),
    ]
    if config.ema is not None:
        hooks.append(callbacks.EMAWeightAveraging(decay=config.ema))
    if config.early_stop is not None:
        hooks.append(callbacks.EarlyStopping("val_nme", patience=config.early_stop))
    return lightning.Trainer(
        max_epochs=config.epochs,
        accelerator="auto",
        devices=devices,
        precision={"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}[config.precision],  # type: ignore[arg-type]
        gradient_clip_val=config.clip,
        accumulate_grad_batches=config.accumulate,
        callbacks=hooks,
        logger=[loggers.CSVLogger(folder, name="", version=""), loggers.TensorBoardLogger(folder, name="", version="tensorboard")],
        default_root_dir=folder,
        use_distributed_sampler=False,  # ours knows its rank and its place
        num_sanity_val_steps=0,
        enable_model_summary=False,
        log_every_n_steps=20,
    )
