"""What is fuzzed: a way to draw inputs, and what takes them. Tests and benchmarks/fuzz.py share the kinds."""

from __future__ import annotations

from random import Random
from typing import Protocol

from efficientfan.errors import EfficientFanError

__all__ = ["ACCEPTED", "REFUSED", "Kind", "Outcome", "case", "judge"]

Outcome = str
"""ACCEPTED, REFUSED, or what was wrong."""

ACCEPTED, REFUSED = "accepted", "refused"


class Kind(Protocol):
    """One kind of input. Made once from an empty folder, in which it may write.

    Attributes:
        seconds: that one input may take.
        megabytes: by which one input may raise the memory of the process.
    """

    seconds: float
    megabytes: float

    def draw(self, chance: Random) -> bytes:
        """A damaged input; the same state of `chance` gives the same bytes."""

    def run(self, content: bytes) -> None:
        """Take any bytes as input.

        Raises:
            EfficientFanError: they are refused, as documented.
            AssertionError: what came out is not what these bytes say.
        """


def case(kind: Kind, seed: int, number: int) -> bytes:
    """The input of this number: the same in every run with this seed."""
    return kind.draw(Random(f"{seed} {number}"))


def judge(kind: Kind, content: bytes) -> Outcome:
    """What becomes of an input; an error that is not documented, or of more than one line, is wrong."""
    try:
        kind.run(content)
    except EfficientFanError as error:
        message = str(error)
        return REFUSED if message and "\n" not in message else f"not one line: {message[:200]!r}"
    except Exception as error:
        origin = error.__traceback__
        while origin is not None and origin.tb_next is not None:
            origin = origin.tb_next
        place = f" ({origin.tb_frame.f_code.co_filename}:{origin.tb_lineno})" if origin else ""
        return f"{type(error).__name__}: {str(error)[:200]!r}{place}"
    return ACCEPTED
