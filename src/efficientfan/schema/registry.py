"""Schemas by name: the tables in this package, and tables of a user's own from a file."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from efficientfan.errors import InputError, unknown
from efficientfan.files import read_json
from efficientfan.schema.landmark_schema import LandmarkSchema

__all__ = ["get_schema", "list_schemas", "load_schema"]

_TABLES = Path(__file__).parent / "tables"


def list_schemas() -> list[str]:
    """Names of the schemas that the package carries."""
    return list(_names())


@cache
def _names() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in _TABLES.glob("*.json")))


def get_schema(name: str) -> LandmarkSchema:
    """A packaged schema by name, or a user's own by the path of its `.json` file.

    Raises:
        InputError: no such schema or file, or the file is not a valid schema or has the name of a packaged one.
    """
    if name in _names():
        return _packaged(name)
    if name.endswith(".json"):
        schema = load_schema(name)
        if schema.name in _names() and schema != _packaged(schema.name):
            raise InputError(
                f"{name}: a packaged schema is named {schema.name!r} and is another; choose another name"
            )
        return schema
    raise unknown("schema", name, _names(), "the path of a .json file")


@cache
def _packaged(name: str) -> LandmarkSchema:
    return load_schema(_TABLES / f"{name}.json")


def load_schema(path: str | Path) -> LandmarkSchema:
    """Read and check a schema file (see `LandmarkSchema.to_dict` for its keys).

    Raises:
        InputError: unreadable, not JSON, or not a valid schema; the message names the file.
    """
    return LandmarkSchema.from_dict(read_json(path), where=str(path))
