"""How inputs are damaged: bytes of any file, and values of trees such as JSON and YAML hold."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

__all__ = ["damaged", "odd_tree"]

_TOKEN = re.compile(rb"[-+.\w]+|[^\s\w]")
_ODD_TOKENS = (
    b"", b"-", b"-1", b"0", b"1", b"0.5", b"nan", b"inf", b"1e999", b"1e300", b"9" * 400, b"null", b"true", b'""',
    b"[]", b"{}", b"[[1]]", b"\0", b"\xff", b"\xef\xbb\xbf", b"\x1b[2J", b"\r", b"\n", b",", b"}", b"../x", b"a" * 5000,
)  # fmt: skip
_WORDS = (
    b"\xff\xff\xff\xff",
    b"\0\0\0\0",
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\x80\0\0\0",
    b"\1\0\0\0",
)

_ODD_VALUES: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 3, 0.5, 1e6, 2**31, 2**63, 10**400, 1e155, 1e300, float("nan"), float("inf"), "", "a",
    "nan", "../x", "x\0", "\x1b[2J", "\ud800", "a" * 5000, [], [1], [[1]], [None], {}, {"id": 1}, {"": None},
)  # fmt: skip


def damaged(content: bytes, other: bytes, chance: Random) -> bytes:
    """One to four changes of some bytes, words, tokens or lines.

    Args:
        content: a file.
        other: another one, a part of which may be put into it.
        chance: the same state gives the same changes.
    """
    result = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        place = chance.randrange(len(result) + 1)
        length = min(int(chance.expovariate(1 / 30)) + 1, len(result) - place)
        change = chance.randrange(11)
        if change == 0:
            result[place : place + length] = chance.randbytes(length)
        elif change == 1:
            del result[place : place + length]
        elif change == 2:
            result[place:place] = result[place : place + length] * chance.randint(1, 20)
        elif change == 3:
            result[place:] = other[chance.randrange(len(other) + 1) :]
        elif change == 4:
            result[place : place + 4] = chance.choice(_WORDS)
        elif change == 5:
            del result[place:]
        elif change == 6 and place < len(result):
            result[place] ^= 1 << chance.randrange(8)
        elif change in (7, 8):
            token = _TOKEN.search(result, place)
            start, end = token.span() if token else (place, place)
            result[start:end] = chance.choice(_ODD_TOKENS)
        else:
            start, end = result.rfind(b"\n", 0, place) + 1, result.find(b"\n", place) + 1 or len(result)
            result[start:end] = b"" if change == 9 else result[start:end] * chance.choice((2, 2, 2, 200))
    return bytes(result)


def odd_tree(tree: Any, chance: Random) -> Any:
    """A copy of nested dictionaries and lists with one to three odd, moved, missing or buried values."""
    whole = [copy.deepcopy(tree)]
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        places = list(_places(whole))
        parent, key = chance.choice(places)
        change = chance.randrange(8)
        if change < 4:
            parent[key] = chance.choice(_ODD_VALUES)
        elif change == 4:
            other, its = chance.choice(places)
            parent[key] = copy.deepcopy(other[its])
        elif change == 5 and parent is not whole:
            del parent[key]
        elif change == 6 and isinstance(parent, dict):
            parent[chance.choice(("", "id", "name", 0, None, "\x1b", str(key) * 2))] = parent.pop(key)
        elif change == 7:
            for _ in range(chance.choice((1, 2, 50))):
                parent[key] = [parent[key]] if chance.random() < 0.5 else {"a": parent[key]}
    return whole[0]


def _places(values: dict[Any, Any] | Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    """Every value in a tree, as what holds it and the key there."""
    for key, value in values.items() if isinstance(values, dict) else enumerate(values):
        yield values, key
        if isinstance(value, dict | list):
            yield from _places(value)
