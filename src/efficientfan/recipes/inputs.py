"""Whether the files that a run reads are there: asked before torch is loaded, which takes long on some machines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from efficientfan.data.catalog import get_dataset, resolve_schema
from efficientfan.data.packed import find_index
from efficientfan.errors import InputError
from efficientfan.extension import is_reference
from efficientfan.files import looked_in
from efficientfan.formats.text import split_file
from efficientfan.recipes.config import DataConfig, Source

__all__ = ["check_inputs", "require_root", "require_start", "require_teachers"]

MOST_BYTES = 20_000_000
"""Tables of up to this size are read here too, for their faults; larger ones once, when the faces are needed."""


class _Weights(BaseModel):
    """The files of weights that a recipe's `model` and `distill` may name."""

    model_config = ConfigDict(extra="ignore")

    start: Path | None = None
    teacher: Path | list[Path] | None = None


def check_inputs(recipe: Mapping[str, Any]) -> None:
    """Look for what a recipe reads: folders and tables of its data sets, teachers, the checkpoint that it starts from.

    Whatever else is wrong with the recipe is left to its own check, which loads torch.

    Args:
        recipe: the recipe's table, unchecked (`load.recipe_table`).

    Raises:
        InputError: a file is not there, or no checkpoint, or a table is damaged.
    """
    name = str(recipe.get("name"))
    try:
        model, distill = (_Weights.model_validate(recipe.get(key) or {}) for key in ("model", "distill"))
        data = DataConfig.model_validate(recipe["data"]) if recipe.get("task") != "detection" else None
    except (ValidationError, InputError, KeyError):
        return
    if model.start is not None:
        require_start(name, model.start)
    for section, weights in (("model", model), ("distill", distill)):
        listed = weights.teacher if isinstance(weights.teacher, list) else [weights.teacher]
        require_teachers(name, [path for path in listed if path is not None], f"{section}.teacher")
    if data is not None:
        root = require_root(name, data.root)
        for source in (*data.train, *([data.validation] if data.validation else [])):
            _check_source(source, root / source.folder, data.schema_name)


def require_root(recipe: str, root: Path | None) -> Path:
    """The folder of a recipe's data sets.

    Raises:
        InputError: none was given.
    """
    if root is None:
        raise InputError(f"recipe {recipe!r} has no data.root; add --set data.root=FOLDER")
    return root


def require_start(recipe: str, path: Path) -> None:
    """Check that there is a checkpoint to start from.

    Raises:
        InputError: there is not.
    """
    _require_checkpoint(f"recipe {recipe!r} goes on from", path, "model.start")


def require_teachers(recipe: str, paths: Iterable[Path], key: str = "distill.teacher") -> None:
    """Check that there are the checkpoints of teachers.

    Raises:
        InputError: one is not there.
    """
    for path in paths:
        _require_checkpoint(f"recipe {recipe!r} learns from", path, key)


def _require_checkpoint(who: str, path: Path, key: str) -> None:
    if not path.is_file():
        raise InputError(
            f"{who} {path}, which is not there{looked_in(path)}; train that first, or add --set {key}=FILE.safetensors"
        )
    if path.suffix.lower() == ".onnx":
        raise InputError(
            f"{path}: is an exported model; a .safetensors file of `efficientfan train` is needed (packaged models are "
            "ONNX files: they can be neither start nor teacher)"
        )


def _check_source(source: Source, folder: Path, schema: str) -> None:
    if is_reference(source.dataset):
        return  # the user's own code, which may load torch itself
    info = get_dataset(source.dataset)
    if not folder.exists():
        raise InputError(
            f"{folder}: no such file or folder{looked_in(folder)}; give the root of '{info.name}'"
        )
    if info.survey is None or find_index(folder, source.split) is not None:
        return
    if split_file(folder, source.split, info.list_suffix).stat().st_size <= MOST_BYTES:
        info.survey(folder, source.split, resolve_schema(info, schema), 1).sound()
