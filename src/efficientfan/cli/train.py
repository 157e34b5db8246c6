"""`efficientfan train`: run a recipe."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from efficientfan.cli.options import MoreSettings, RecipeName, Settings, recipe_of
from efficientfan.errors import InputError, needs_extra

__all__ = ["train_command"]

_ALLOCATOR = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "20000000000", "OMP_WAIT_POLICY": "PASSIVE"}
"""Keeps glibc from returning large blocks to the system after every step and allocating them again."""


def train_command(
    recipe: RecipeName,
    more: MoreSettings = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; runs/RECIPE if not given.")] = None,
    settings: Settings = None,
    resume: Annotated[
        bool, typer.Option(help="Continue from the folder's last checkpoint, bit for bit.")
    ] = False,
    devices: Annotated[
        str, typer.Option(help="Devices or processes of each machine: a number, or auto.")
    ] = "auto",
    nodes: Annotated[
        int, typer.Option(min=1, help="Machines; start one process on each with torchrun or SLURM.")
    ] = 1,
) -> None:
    """Train a network as a recipe says: checkpoints, logs, pictures, and model.safetensors at the end.

    Ctrl-C (or SIGTERM) saves a checkpoint and stops; --resume continues with the same weights as an
    uninterrupted run. Standard output gets one line, the path of the model.

    Example: efficientfan train mobilefan_128 --set data.root=/data train.epochs=5
    """
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    if devices != "auto" and not (devices.isdigit() and int(devices)):
        raise InputError(f"--devices {devices!r}: give a number from 1, or auto")
    changes = [*(settings or []), *(more or [])]
    folder = _checked_place(recipe, changes, out, resume=resume)  # all of it before torch is loaded
    loaded = recipe_of(recipe, changes, None)
    with needs_extra("train", "training needs"):
        from efficientfan.train import fit
    from lightning.pytorch.utilities import rank_zero_only

    for library in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(library).setLevel(logging.WARNING)  # its tips are not about this run
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")  # else each attempt to connect is two lines
    if getattr(rank_zero_only, "rank", 0) == 0:  # an attribute that Lightning hangs on the function
        _recommend_allocator()
    else:
        logging.getLogger("efficientfan").setLevel(logging.ERROR)  # process 0 says it
    model = fit(
        loaded,
        folder,
        resume=resume,
        devices=devices if devices == "auto" else int(devices),
        nodes=nodes,
    )
    rank_zero_only(print)(model)


def _checked_place(recipe: str, changes: list[str], out: Path | None, *, resume: bool) -> Path:
    """The run's folder, which may be used, for a recipe whose files are there."""
    with needs_extra("train", "recipes need"):
        from efficientfan.recipes import RunFolder, check_inputs, recipe_table
    table = recipe_table(recipe, changes)
    folder = out or Path("runs") / str(table["name"])
    RunFolder(folder).check_place(resume=resume)
    check_inputs(table)
    return folder


def _recommend_allocator() -> None:
    missing = {name: value for name, value in _ALLOCATOR.items() if name not in os.environ}
    if missing and sys.platform == "linux":
        settings = " ".join(f"{name}={value}" for name, value in missing.items())
        logging.getLogger(__name__).info(
            "training on a processor is faster when started with: env %s", settings
        )
