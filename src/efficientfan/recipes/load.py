"""Recipe files: find, read, override, check."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from efficientfan.errors import InputError
from efficientfan.recipes.config import Recipe

__all__ = ["list_recipes", "load_recipe", "recipe_from_dict"]

_PRESETS = Path(__file__).parent / "presets"


def list_recipes() -> dict[str, Path]:
    """Packaged recipes: name -> file."""
    return {path.stem: path for path in sorted(_PRESETS.glob("*.yaml"))}


def load_recipe(name_or_path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a packaged recipe by name or any recipe by path, and replace single values.

    Args:
        name_or_path: such as "mobilefan_128", or the path of a `.yaml` file.
        overrides: such as "train.epochs=5"; the value is read as YAML.

    Raises:
        InputError: no such recipe, not YAML, or a key or value that a recipe cannot have.
    """
    path = list_recipes().get(str(name_or_path), Path(name_or_path))
    try:
        table = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"no recipe {str(name_or_path)!r}: neither a readable file nor one of {', '.join(list_recipes())}"
        ) from error
    except yaml.YAMLError as error:
        raise InputError(f"{path}: is not YAML ({' '.join(str(error).split())})") from error
    if not isinstance(table, dict):
        raise InputError(f"{path}: a recipe is a table of sections, not {type(table).__name__}")
    for override in overrides:
        _override(table, override)
    return recipe_from_dict(table, where=str(path))


def recipe_from_dict(table: dict[str, Any], where: str = "recipe") -> Recipe:
    """Check a table against `Recipe`.

    Raises:
        InputError: with one clause per fault.
    """
    try:
        return Recipe.model_validate(table)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc'])) or 'recipe'}: {fault['msg']}" for fault in error.errors()]
        raise InputError(f"{where}: " + "; ".join(faults)) from None


def _override(table: dict[str, Any], override: str) -> None:
    key, found, text = override.partition("=")
    if not found:
        raise InputError(f"--set {override!r}: write KEY=VALUE, such as train.epochs=5")
    *sections, last = key.strip().split(".")
    place: Any = table
    for section in sections:
        place = _step(place, section, override, create=True)
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"--set {override!r}: its value is not YAML") from error
    if isinstance(place, list):
        _step(place, last, override)
        place[int(last)] = value
    else:
        place[last] = value


def _step(place: Any, section: str, override: str, create: bool = False) -> Any:
    if isinstance(place, list):
        if not section.isdigit() or int(section) >= len(place):
            raise InputError(f"--set {override!r}: {section!r} is not an index below {len(place)}")
        return place[int(section)]
    if place.get(section) is None and create:
        place[section] = {}
    if not isinstance(place.get(section), dict | list):
        raise InputError(f"--set {override!r}: {section!r} holds no section")
    return place[section]
