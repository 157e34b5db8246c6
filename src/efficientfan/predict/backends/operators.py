"""The operators of an ONNX file, read without its engine: a graph that may never end is refused before it runs."""

from __future__ import annotations

from collections.abc import Iterator
from mmap import ACCESS_READ, mmap
from pathlib import Path

from efficientfan.errors import InputError

__all__ = ["refuse_loops"]

_LOOPS = frozenset({b"Loop", b"Scan", b"If", b"SequenceMap"})
"""Operators that run graphs of their own, perhaps without end."""

_GRAPH, _FUNCTIONS = 7, 25  # fields of onnx.proto's ModelProto
_NODE = 1  # of GraphProto
_OPERATOR = 4  # of NodeProto


def refuse_loops(path: Path) -> None:
    """Check that a graph runs each of its nodes once at most, as those of `efficientfan export` do.

    Raises:
        InputError: it has loops, branches or functions of its own, is not ONNX, or cannot be read.
    """
    try:
        # Mapped, for most of a file is weights, which are passed over.
        with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as model:
            for field, start, end in _fields(model, 0, len(model)):
                if field == _FUNCTIONS:
                    raise InputError(
                        f"{path}: has functions of its own, which no graph of efficientfan needs"
                    )
                if field == _GRAPH:
                    _check_nodes(model, start, end, path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except (IndexError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: is not an ONNX model that can be run, or is damaged") from error


def _check_nodes(model: mmap, start: int, end: int, path: Path) -> None:
    for field, *node in _fields(model, start, end):
        if field != _NODE:
            continue
        for inner, first, last in _fields(model, *node):
            if inner == _OPERATOR and (operator := model[first:last]) in _LOOPS:
                name = operator.decode()
                raise InputError(
                    f"{path}: has a {name}, which may never end; no graph of efficientfan needs it"
                )


def _fields(message: mmap, place: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Number, begin and end of the fields of a protocol buffer that have a length; numbers are left out.

    Args:
        message: holds it.
        place, end: where.

    Raises:
        IndexError, ValueError: it is none.
    """
    while place < end:
        key, place = _number(message, place)
        kind = key & 7
        if kind == 0:
            _, place = _number(message, place)
        elif kind in (1, 5):
            place += 8 if kind == 1 else 4
        elif kind == 2:
            length, place = _number(message, place)
            if place + length > end:
                raise ValueError("a field ends behind its message")
            yield key >> 3, place, place + length
            place += length
        else:
            raise ValueError("a field of an unknown kind")


def _number(message: mmap, place: int) -> tuple[int, int]:
    """A number of seven bits a byte, and the place behind it."""
    value = 0
    for shift in range(0, 70, 7):
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise ValueError("a number of more than ten bytes")
