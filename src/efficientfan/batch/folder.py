"""`ShardFolder`: the files of a run in shards, and whether another run may use the folder."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from efficientfan.batch.journal import PhotoEntry, ShardPage
from efficientfan.batch.run_info import RunInfo
from efficientfan.errors import InputError
from efficientfan.files import move, read_json, sha256_of, sole_use, write_bytes

__all__ = ["ShardFolder"]

_NUMBER = re.compile(r"(?:faces-)?([0-9]{6,})")
_AGAIN = "its photos are done again if they are among the sources"


class ShardFolder:
    """The shards `faces-000000.parquet`, ... of one run, and beside them `_run/`: the journal, `run.json` and the lock.

    A shard is written into `_run/`, then its page of the journal, and then the shard moves to its place; each step is
    whole or not done, and on the disk before the next. A shard is done when its page is there: a run that goes on makes
    up for the move. So a shard that is written anew is the former one until it is the new one. Programs that read a
    folder of tables pass over names that begin with an underscore.

    Args:
        path: the folder; it need not exist.
        suffix: of the shards, without a dot.

    Attributes:
        complaints: what `pages` found to be damaged, a line each.
    """

    def __init__(self, path: Path, suffix: str) -> None:
        self.path = path
        self.suffix = suffix
        self.complaints: list[str] = []
        self._notes = path / "_run"
        self._info = self._notes / "run.json"

    def shard(self, number: int) -> Path:
        """The file of a shard."""
        return self.path / f"faces-{number:06}.{self.suffix}"

    def page(self, number: int) -> Path:
        """The file of a shard's page of the journal."""
        return self._notes / f"{number:06}.json"

    def lock(self) -> AbstractContextManager[None]:
        """The folder is this process's until the block ends, or the process dies in whatever way.

        Raises:
            InputError: another process has it, or the folder cannot be written to.
        """
        return sole_use(self.path, self._notes / "lock")

    def claim(self, info: RunInfo, *, resume: bool) -> bool:
        """Check that a run may write here, and write down what it is made with.

        Args:
            info: of the run.
            resume: go on with what is there; a folder without a run, or with one that has done nothing, is started in.

        Returns:
            Whether there is a run to go on with.

        Raises:
            InputError: the folder holds a run, or shards of no run; or, to resume, a run that was made otherwise.
        """
        stray = next(self.path.glob(f"faces-*.{self.suffix}"), None)
        if not self._info.exists() and stray is not None:
            raise InputError(f"{stray}: is in the way and belongs to no run; choose another --out")
        if not self._info.exists() or (stray is None and not _numbers(self._notes.glob("*.json"))):
            write_bytes(self._info, json.dumps(info.to_dict(), indent=1).encode() + b"\n", durable=True)
            return False
        if not resume:
            raise InputError(
                f"{self.path}: holds a run already; add --resume to go on, or choose another --out"
            )
        before = read_json(self._info)
        differences = (
            info.differences(before) if isinstance(before, dict) else [f"{self._info}: is no object"]
        )
        if differences:
            raise InputError(
                f"{self.path}: was started otherwise, so its results would not fit; repeat the options of then, or "
                "choose another --out:\n  " + "\n  ".join(differences)
            )
        return True

    def pages(self) -> Iterator[ShardPage]:
        """The pages of all whole shards, in the order of their numbers, one at a time.

        What a killed run or somebody else has left of a shard that is not whole, or has no page, is removed.
        """
        for part in self._notes.glob(".part-*"):  # the lock says that nobody is writing it
            part.unlink(missing_ok=True)
        whole = set()
        for number in _numbers(self._notes.glob("*.json")):
            page = self._whole_page(number)
            if page is None:
                self.page(number).unlink(missing_ok=True)
            else:
                whole.add(number)
                yield page
        for number in _numbers(self.path.glob(f"faces-*.{self.suffix}")):
            if number not in whole:
                self.shard(number).unlink(missing_ok=True)
        for written in self._notes.glob("faces-*"):
            written.unlink(missing_ok=True)

    def commit(self, number: int, content: bytes, photos: Iterable[PhotoEntry]) -> None:
        """Write a whole shard and its page.

        Raises:
            InputError: the disk is full, or the folder cannot be written to.
        """
        written = self._written(number)
        write_bytes(written, content, durable=True)
        page = ShardPage(number, len(content), sha256_of(written), tuple(photos))
        write_bytes(self.page(number), page.to_bytes(), durable=True)
        move(written, self.shard(number))

    def _written(self, number: int) -> Path:
        """Where a shard is until its page is there."""
        return self._notes / self.shard(number).name

    def _whole_page(self, number: int) -> ShardPage | None:
        """The page of a shard; None, with a complaint, where page or shard are damaged."""
        shard = self.shard(number)
        try:
            page = ShardPage.read(self.page(number))
            if page.number != number:
                raise InputError(f"{self.page(number)}: is the page of shard {page.number}")
        except InputError as error:
            self.complaints.append(f"{error}; {_AGAIN}")
            return None
        if _holds(shard, page):
            return page
        if _holds(self._written(number), page):  # the run was killed before the move
            move(self._written(number), shard)
            return page
        what = "is damaged or was changed" if shard.is_file() else "is gone"
        self.complaints.append(f"{shard}: {what}; {_AGAIN}")
        return None


def _holds(shard: Path, page: ShardPage) -> bool:
    return shard.is_file() and shard.stat().st_size == page.n_bytes and sha256_of(shard) == page.sha256


def _numbers(paths: Iterable[Path]) -> list[int]:
    found = (_NUMBER.fullmatch(path.stem) for path in paths)
    return sorted(int(match[1]) for match in found if match)
