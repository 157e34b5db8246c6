"""Imports of a process that is about to run a command."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["starting"]


@contextmanager
def starting() -> Iterator[None]:
    """A block that imports modules: what they make stays, and is not looked through for garbage, then or later.

    Python would do so again and again while there are ever more objects, for a tenth of the time until the first face.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
