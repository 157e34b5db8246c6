"""Recipe files: find, read, inherit, override, check."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias

import yaml
from pydantic import ValidationError

from efficientfan.errors import InputError, did_you_mean
from efficientfan.extension import located
from efficientfan.files import read_text
from efficientfan.recipes.config import Recipe
from efficientfan.recipes.detection import DetectionRecipe
from efficientfan.recipes.former_keys import current_key, with_current_keys
from efficientfan.recipes.published import published_rows

__all__ = [
    "AnyRecipe",
    "RecipeFacts",
    "list_recipes",
    "load_recipe",
    "read_recipe_file",
    "recipe_from_dict",
    "recipe_table",
]

AnyRecipe: TypeAlias = Recipe | DetectionRecipe
"""What `task` says chooses between them; landmarks where it says nothing."""

_TASKS: Mapping[str, type[AnyRecipe]] = {"landmarks": Recipe, "detection": DetectionRecipe}

_PRESETS = Path(__file__).parent / "presets"
_PARTS = "parts/"
_RUNS = Path("runs")
"""Where the command line puts runs, and where a recipe looks for its teacher unless it is told."""

_MAX_DEPTH, _MAX_PARTS = 20, 20_000
"""Far more than any recipe has."""

_MAX_BASES = 200
"""Recipes that one inherits from, each counted as often as it is named: a chain of doubles would have billions."""

_FACTS = ("teacher", "published", "trained")
"""What a recipe says of itself besides what is to be done; heirs inherit none of it."""


@dataclass(frozen=True)
class RecipeFacts:
    """What is known of a packaged recipe.

    Attributes:
        about: what it is, in a few sentences.
        teacher: name of the recipe that trains its teacher; empty without one.
        published: the paper's NME in percent, "not found", or "ours" where it is no paper's.
        trained: whether we have trained it to the end.
    """

    about: str
    teacher: str = ""
    published: str = "ours"
    trained: bool = False


def list_recipes() -> dict[str, RecipeFacts]:
    """The packaged recipes by name: the papers' rows and our own."""
    return {name: _facts(read_recipe_file(name)) for name in _names()}


def _names() -> list[str]:
    return sorted(name for name in (*_packaged(), *published_rows()) if not name.startswith(_PARTS))


def _facts(table: Mapping[str, Any]) -> RecipeFacts:
    said = {key: table[key] for key in _FACTS if key in table}
    return RecipeFacts(" ".join(str(table.get("about", "")).split()), **said)


@cache
def _packaged() -> dict[str, Path]:
    """Packaged files: recipes of our own, and below `parts/` the pieces that recipes have in common."""
    return {path.relative_to(_PRESETS).with_suffix("").as_posix(): path for path in _PRESETS.rglob("*.yaml")}


def load_recipe(name_or_path: str | Path, overrides: Sequence[str] = ()) -> AnyRecipe:
    """Read a packaged recipe by name or any recipe by path, with what it inherits, and replace single values.

    Args:
        name_or_path: such as "mobilefan_128", or the path of a `.yaml` file.
        overrides: such as "train.epochs=5"; the value is read as YAML.

    A `FILE.py:Name` in a recipe file lies beside that file, one in an override in the current folder. Such code is run.

    Raises:
        InputError: no such recipe, not YAML, it inherits itself, or a key or value that a recipe cannot have.
    """
    return recipe_from_dict(recipe_table(name_or_path, overrides), where=str(name_or_path))


def recipe_table(name_or_path: str | Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """What a recipe says, with what it inherits and what is replaced, unchecked; this loads no torch.

    Args:
        name_or_path, overrides: as for `load_recipe`.

    Raises:
        InputError: no such recipe, not YAML, or it inherits itself.
    """
    table = _inherit(str(name_or_path), (), count())
    for override in overrides:
        _override(table, override)
    return table


def recipe_from_dict(table: dict[str, Any], where: str = "recipe") -> AnyRecipe:
    """Check a table against the recipe of its task.

    Raises:
        InputError: an unknown task; else with one clause per fault.
    """
    table = with_current_keys(table, where)
    task = table.get("task", "landmarks")
    if task not in _TASKS:
        raise InputError(f"{where}: task is one of {', '.join(_TASKS)}, not {task!r}")
    try:
        return _TASKS[task].model_validate(table)
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, fault['loc'])) or 'recipe'}: {fault['msg'].removeprefix('Value error, ')}"
            for fault in error.errors()
        ]
        raise InputError(f"{where}: " + "; ".join(faults)) from None


def read_recipe_file(name_or_path: str | Path) -> dict[str, Any]:
    """What one recipe says itself, unchecked; `base` is a list of names or paths there, maybe empty.

    Raises:
        InputError: no such recipe, or not a YAML table.
    """
    name = str(name_or_path)
    if name in published_rows():
        return {"name": name, **published_rows()[name]}
    path = _find(name)
    try:
        text = read_text(path)
    except InputError as error:
        raise InputError(
            f"no recipe {name!r}: neither a readable file nor one of `efficientfan recipes list`;{_near(name)}".rstrip(
                ";"
            )
        ) from error
    table = _from_yaml(text, f"{path}:")
    if not isinstance(table, dict):
        raise InputError(f"{path}: a recipe is a table of sections, not {type(table).__name__}")
    table = with_current_keys(located(table, path.parent), str(path))
    bases = table.get("base", [])
    bases = [bases] if isinstance(bases, str) else bases
    if not (isinstance(bases, list) and all(isinstance(base, str) for base in bases)):
        raise InputError(f"{path}: base names a recipe, or a list of them")
    table["base"] = [base if _is_packaged(base) else str(path.parent / base) for base in bases]
    table.setdefault("name", name if _is_packaged(name) else path.stem)
    return table


def _near(name: str) -> str:
    """The recipe that may be meant; of a base, which is looked for beside its heir, too."""
    parts = Path(name).parts
    tries = (did_you_mean("/".join(parts[-count:]), _names()) for count in (len(parts), 3, 2, 1))
    return next((near for near in tries if near), "")


def _from_yaml(text: str, where: str) -> Any:
    """The value of a YAML text, whose parts are few: aliases can make a short text hold itself, or billions.

    Raises:
        InputError: it is not YAML, or too deep or large.
    """
    try:
        value = yaml.safe_load(text)
    except RecursionError as error:
        raise InputError(f"{where} is nested too deeply") from error
    except (yaml.YAMLError, ValueError) as error:  # a ValueError is of a date or number that is none
        raise InputError(f"{where} is not YAML ({' '.join(str(error).split())[:300]})") from error
    waiting, n_parts = [(value, 0)], 0
    while waiting:
        part, depth = waiting.pop()
        n_parts += 1
        if depth > _MAX_DEPTH or n_parts > _MAX_PARTS:
            raise InputError(f"{where} is nested too deeply, or has too many parts, for a recipe")
        if isinstance(part, dict | list):
            inner = part.values() if isinstance(part, dict) else part
            waiting += [(each, depth + 1) for each in inner]
    return value


def _is_packaged(name: str) -> bool:
    return name in _packaged() or name in published_rows()


def _find(name: str) -> Path:
    """The file of a recipe; of a row of the papers, which has none, its name."""
    try:
        return Path(name) if name in published_rows() else _packaged().get(name, Path(name)).resolve()
    except ValueError as error:  # a zero byte, or characters that no encoding has
        raise InputError(f"no recipe {name!r}: {error}") from error


def _inherit(name: str, heirs: tuple[str, ...], numbers: Iterator[int]) -> dict[str, Any]:
    """A recipe's table upon its bases'. Later bases win over earlier ones, the recipe over all of them.

    Args:
        name: of the recipe.
        heirs: the recipes through which it is inherited.
        numbers: counts the recipes that have been read.
    """
    if next(numbers) > _MAX_BASES:
        raise InputError(f"recipe {heirs[0]!r} inherits from more than {_MAX_BASES} recipes")
    if _find(name) in map(_find, heirs):
        raise InputError(f"recipe {heirs[0]!r} inherits itself: {' -> '.join((*heirs, name))}")
    own = read_recipe_file(name)
    merged: dict[str, Any] = {}
    for base in own.pop("base"):
        merged = _merge(merged, _inherit(base, (*heirs, name), numbers))
    merged["about"] = ""  # its name and its story are a recipe's own
    facts = {key: own.pop(key) for key in _FACTS if key in own}
    if facts.get("teacher") and "distill" in {**merged, **own}:
        teacher = _RUNS / facts["teacher"] / "model.safetensors"
        merged = _merge(merged, {"distill": {"teacher": str(teacher)}})
    return _merge(merged, own)


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """`above` upon `below`, section by section; lists and values are replaced.

    A section that chooses another `kind` or `name` starts afresh: the options of the old one are not its own.
    """
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            another = any(choice in value and value[choice] != old.get(choice) for choice in ("kind", "name"))
            merged[key] = value if another else _merge(old, value)
        else:
            merged[key] = value
    return merged


def _override(table: dict[str, Any], override: str) -> None:
    key, found, text = override.partition("=")
    if not found:
        raise InputError(f"--set {override!r}: write KEY=VALUE, such as train.epochs=5")
    *sections, last = current_key(key.strip()).split(".")
    place: Any = table
    for section in sections:
        place = _step(place, section, override, create=True)
    value = located(_from_yaml(text, f"--set {key}: its value"), Path.cwd())
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
