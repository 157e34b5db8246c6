"""The errors that are raised on purpose. Each message names what was wrong and what to do about it."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from numbers import Integral, Real
from typing import cast

__all__ = [
    "EfficientFanError",
    "InputError",
    "Interrupted",
    "MissingDependencyError",
    "check_number",
    "check_threads",
    "did_you_mean",
    "first_line",
    "install_command",
    "needs_extra",
    "printable",
    "unknown",
]


class EfficientFanError(Exception):
    """Base of all errors that this package raises on purpose; the command line exits 2 on them."""


class InputError(EfficientFanError, ValueError):
    """A file, value or option is not usable; the message names it and the remedy."""


class MissingDependencyError(EfficientFanError, ImportError):
    """An optional dependency, device or model file is not there; the message says how to get it."""


class Interrupted(EfficientFanError):
    """A run ended because a signal asked it to, and can go on later; the command line exits with 128 + `number`.

    Attributes:
        number: of the signal.
    """

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.number = number


@contextmanager
def needs_extra(extra: str, what: str) -> Iterator[None]:
    """Turn an import that fails in this block into the error that names the remedy.

    Args:
        extra: the name in pip install 'efficientfan[NAME]'.
        what: the subject and its verb, such as "training needs".

    Raises:
        MissingDependencyError: a module is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingDependencyError(f"{what} {error.name}: {install_command(extra)}") from error


def install_command(extra: str) -> str:
    """How an extra is installed, for messages."""
    return f"pip install 'efficientfan[{extra}]' (in a clone of the repository: pip install '.[{extra}]')"


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """ " did you mean 'epochs'?" with its leading space, for the end of a message; empty where nothing is alike."""
    import difflib

    near = difflib.get_close_matches(str(name), list(known), n=1)
    return f" did you mean {near[0]!r}?" if near else ""


def unknown(what: str, name: object, known: Iterable[str], besides: str = "") -> InputError:
    """The error for a name that is not among the known ones; it names the nearest, and all of them.

    Args:
        what: the kind of thing, such as "network".
        name: what was asked for.
        known: what there is.
        besides: what may be given instead of a known name.
    """
    names = list(known)
    more = f" and {besides}" if besides else ""
    return InputError(
        f"unknown {what} {name!r};{did_you_mean(name, names)} known are {', '.join(names)}{more}"
    )


def check_number(
    name: str, value: object, least: float, most: float = math.inf, *, whole: bool = False
) -> None:
    """Check an option that is a number.

    Args:
        name: of the option.
        value: what was given.
        least, most: its limits, both allowed.
        whole: whether it counts something.

    Raises:
        InputError: another type, not finite, or out of its limits.
    """
    kind = Integral if whole else Real
    if isinstance(value, bool) or not isinstance(value, kind):
        raise InputError(f"{name} is a {'whole ' if whole else ''}number, not {value!r}")
    number = cast("float", value)  # `Real` has no order for mypy
    if not (least <= number <= most and abs(number) <= sys.float_info.max):
        limits = f"must be at least {least:g}" if most == math.inf else f"is within {least:g} and {most:g}"
        raise InputError(f"{name} {limits}, not {value}")


def check_threads(threads: object) -> None:
    """Check a number of threads; None leaves it to whoever starts them.

    Raises:
        InputError: no whole number from 1 to 1024; engines start as many as are asked for, and crash of too many.
    """
    if threads is not None:
        check_number("threads", threads, 1, 1024, whole=True)


def first_line(error: BaseException) -> str:
    """The first line of an error's message, at most 200 characters, or the error's type where it says nothing."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return printable(lines[0][:200]) if lines else type(error).__name__


def printable(text: str, keep: str = "") -> str:
    """`text` with its control characters, and what else a terminal would act on, as Python's escapes.

    Args:
        text: such as the name of a file, which may hold anything.
        keep: characters that stay as they are.

    >>> print(printable("a\x1b[2Jb.jpg"))
    a\\x1b[2Jb.jpg
    """
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() or sign in keep else sign.encode("unicode_escape").decode()
        for sign in text
    )
