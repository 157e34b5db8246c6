"""The journal: a page per whole shard, which says what the shard holds and of which files it was made."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from efficientfan.errors import InputError
from efficientfan.files import sha256_of

__all__ = ["PhotoEntry", "ShardPage", "Stamp", "stamp_of"]


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells that a file is still the one that was read.

    Attributes:
        size: bytes.
        modified: time of the last change, nanoseconds; it is only ever compared for equality.
        sha256: of the content, where that was asked for.
    """

    size: int
    modified: int
    sha256: str | None = None

    def same_file(self, other: Stamp | None) -> bool:
        """Whether two stamps are of the same content: by digest where both have one, else by size and time."""
        if other is None:
            return False
        if self.sha256 is not None and other.sha256 is not None:
            return self.sha256 == other.sha256
        return (self.size, self.modified) == (other.size, other.modified)


def stamp_of(path: str, *, content: bool = False) -> Stamp | None:
    """The stamp of a file as it is now; None where there is none that can be read.

    Args:
        path: of the file.
        content: compute the digest too.
    """
    try:
        status = os.stat(path)
        digest = sha256_of(path) if content and stat.S_ISREG(status.st_mode) else None  # a pipe would wait
        return Stamp(status.st_size, status.st_mtime_ns, digest)
    except (OSError, ValueError):  # a path that no system takes is no file either
        return None


@dataclass(frozen=True, slots=True)
class PhotoEntry:
    """A photo of a shard.

    Attributes:
        path: as the user wrote it.
        stamp: of the file that was read; None where there was none.
        failed: whether the photo could not be used.
    """

    path: str
    stamp: Stamp | None
    failed: bool

    def is_current(self, now: Stamp | None) -> bool:
        """Whether the result is that of the file as it is now."""
        return now is None if self.stamp is None else self.stamp.same_file(now)


@dataclass(frozen=True)
class ShardPage:
    """What the journal says of one whole shard.

    Attributes:
        number: of the shard, from 0.
        n_bytes, sha256: of its file.
        photos: in the order of the shard's rows.
    """

    number: int
    n_bytes: int
    sha256: str
    photos: tuple[PhotoEntry, ...]

    def to_bytes(self) -> bytes:
        """The page as one line of JSON; a photo is path, bytes, nanoseconds, digest, 1 if failed."""
        table = {
            "shard": self.number,
            "bytes": self.n_bytes,
            "sha256": self.sha256,
            "photos": [
                [entry.path, *_values(entry.stamp), int(entry.failed)]  # short: there may be a million
                for entry in self.photos
            ],
        }
        return json.dumps(table).encode() + b"\n"

    @classmethod
    def read(cls, path: Path) -> ShardPage:
        """Read what `to_bytes` gave.

        Raises:
            InputError: unreadable or damaged.
        """
        try:
            table = json.loads(path.read_bytes())
            entries = tuple(_entry(row) for row in table["photos"])
            return cls(int(table["shard"]), int(table["bytes"]), str(table["sha256"]), entries)
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from error
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            raise InputError(f"{path}: is no whole page of the journal") from error


def _values(stamp: Stamp | None) -> list[Any]:
    return [None] * 3 if stamp is None else [stamp.size, stamp.modified, stamp.sha256]


def _entry(row: Any) -> PhotoEntry:
    path, size, modified, sha256, failed = row
    return PhotoEntry(str(path), None if size is None else Stamp(size, modified, sha256), bool(failed))
