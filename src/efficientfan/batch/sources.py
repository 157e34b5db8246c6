"""Which photos a run takes: lists of paths, each path once, and the part of one of several machines."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from efficientfan.errors import InputError
from efficientfan.predict.photos import Photo

__all__ = ["Part", "listed_photos", "plain_path", "results_folder", "unique_photos"]


def listed_photos(content: bytes, where: str) -> list[Photo]:
    """The photos of a list: a path per line, or paths divided by zero bytes, as `find -print0` writes them.

    Relative paths start at the current folder. Whether the files exist is seen when they are read.

    Args:
        content: of the list.
        where: its name, for messages.

    Raises:
        InputError: no path, or not a plain text.
    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{where}: is UTF-16; save the list as UTF-8")
    content = content.removeprefix(b"\xef\xbb\xbf")
    if b"\0" in content:
        paths = content.split(b"\0")
    else:
        paths = [line.removesuffix(b"\r") for line in content.split(b"\n")]
    found = [os.fsdecode(path) for path in paths if path.strip()]
    if not found:
        raise InputError(f"{where}: lists no photos; it holds one path per line")
    return [Photo(path, os.path.basename(path)) for path in found]


def plain_path(path: str) -> str:
    """What all spellings of a path have in common: `a.jpg`, `./a.jpg` and `b/../a.jpg` are one photo."""
    return os.path.normpath(path)


def unique_photos(photos: Iterable[Photo]) -> list[Photo]:
    """The photos without those whose path, in whatever spelling, came before."""
    seen: set[str] = set()
    kept = []
    for photo in photos:
        path = plain_path(photo.path)
        if path not in seen:
            seen.add(path)
            kept.append(photo)
    return kept


@dataclass(frozen=True)
class Part:
    """One of several parts of the photos, for as many machines.

    A photo's part follows from its path alone, so it stays when other photos are added.

    Attributes:
        number: from 1.
        of: parts in all.

    >>> Part.parse("3/16")
    Part(number=3, of=16)
    """

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Part:
        """Read NUMBER/OF.

        Raises:
            InputError: something else, or a number beyond the parts.
        """
        match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise InputError(f"--shard is a part such as 3/16 (1/16 to 16/16), not {text!r}")
        return cls(int(match[1]), int(match[2]))

    def holds(self, photo: Photo) -> bool:
        """Whether a photo is of this part."""
        return zlib.crc32(os.fsencode(plain_path(photo.path))) % self.of == self.number - 1

    @property
    def folder(self) -> str:
        """Name of the folder of its results, such as "part-03-of-16"."""
        return f"part-{self.number:0{len(str(self.of))}}-of-{self.of}"


def results_folder(out: Path, part: Part | None) -> Path:
    """Where a run writes: `out`, or the folder of its part in it.

    Raises:
        InputError: `out` holds another division of the photos, whose results would come twice.
    """
    divisions = {path.name.rpartition("-of-")[2] for path in out.glob("part-*-of-*")}
    others = divisions - ({str(part.of)} if part else set())
    if others:
        raise InputError(
            f"{out}: holds results of runs with --shard N/{min(others)}; go on with the same division, or choose "
            "another --out"
        )
    if part is None:
        return out
    if (out / "_run").exists():
        raise InputError(f"{out}: holds results of a run without --shard; choose another --out")
    return out / part.folder
