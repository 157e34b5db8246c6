"""What a command says where an optional part of the installation is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from efficientfan.errors import needs_extra

__all__ = ["needs_train_extra"]


@contextmanager
def needs_train_extra(what: str) -> Iterator[None]:
    """Turn an import that fails in this block into the error that names the mend.

    Args:
        what: the subject and its verb, such as "training needs".

    Raises:
        MissingDependencyError: a module is not installed.
    """
    with needs_extra("train", what):
        yield
