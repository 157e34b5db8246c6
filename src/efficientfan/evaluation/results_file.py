"""Reading and writing results as JSON files that name their format, for every kind of evaluation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from efficientfan.errors import InputError
from efficientfan.files import read_json, write_json

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["read_results", "write_results"]

Kind = TypeVar("Kind")


def write_results(path: str | Path, results: DataclassInstance, name: str) -> None:
    """Write results as JSON, atomically.

    Args:
        path: where to.
        results: a dataclass of JSON-like values and further dataclasses.
        name: of the format, with its version.
    """
    write_json(path, {"format": name, **asdict(results)})


def read_results(path: str | Path, build: Callable[[dict[str, Any]], Kind], name: str, command: str) -> Kind:
    """Read what `write_results` wrote.

    Args:
        path: the file.
        build: the file's table, without its format, to the results.
        name: of the format that is wanted.
        command: what writes such files, for the message.

    Raises:
        InputError: not JSON, of another format, or its content does not fit `build`.
    """
    table = read_json(path)
    if not isinstance(table, dict) or table.pop("format", None) != name:
        raise InputError(f"{path}: is not a results file of `{command}` ({name})")
    try:
        return build(table)
    except (AttributeError, KeyError, TypeError) as error:
        raise InputError(f"{path}: its content is damaged ({error!r})") from error
