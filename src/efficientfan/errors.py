"""Errors that a user can mend. Each message names what was wrong and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["EfficientFanError", "InputError", "MissingDependencyError", "needs_extra"]


class EfficientFanError(Exception):
    """Base of all errors that this package raises on purpose; the command line exits 2 on them."""


class InputError(EfficientFanError, ValueError):
    """A file, value or option is not usable; the message names it and the mend."""


class MissingDependencyError(EfficientFanError, ImportError):
    """An optional dependency, device or model file is not there; the message says how to get it."""


@contextmanager
def needs_extra(extra: str, what: str) -> Iterator[None]:
    """Turn an import that fails in this block into the error that names the mend.

    Args:
        extra: the name in pip install 'efficientfan[NAME]'.
        what: the subject and its verb, such as "training needs".

    Raises:
        MissingDependencyError: a module is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingDependencyError(f"{what} {error.name}: pip install 'efficientfan[{extra}]'") from error
