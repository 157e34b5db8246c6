"""Damaged inputs of every kind and what must become of them: used by tests/fuzz and benchmarks/fuzz.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fuzzing.calls import Boxes, Commands, Options
from fuzzing.files import FILES
from fuzzing.images import Images
from fuzzing.kind import ACCEPTED, REFUSED, Kind, Outcome, case, judge
from fuzzing.models import MODELS
from fuzzing.recipes import Overrides, Recipes
from fuzzing.uploads import Uploads

__all__ = ["ACCEPTED", "KINDS", "REFUSED", "Kind", "Outcome", "case", "judge", "opened"]

KINDS: dict[str, Callable[[Path], Kind]] = {
    "images": Images,
    **FILES,
    **MODELS,
    "recipes": Recipes,
    "overrides": Overrides,
    "boxes": Boxes,
    "options": Options,
    "commands": Commands,
    "uploads": Uploads,
}
"""Name -> what makes the kind in an empty folder."""


@contextmanager
def opened(name: str, folder: Path) -> Iterator[Kind]:
    """The kind of this name, for as long as the block lasts."""
    kind = KINDS[name](folder)
    try:
        yield kind
    finally:
        getattr(kind, "close", lambda: None)()
