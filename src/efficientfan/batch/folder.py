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
from efficientfan.files import read_json, sha256_of, sole_use, write_bytes

__all__ = ["ShardFolder"]

_NUMBER = re.compile(r"(?:faces-)?([0-9]{6,})")


class ShardFolder:
    """The shards `faces-000000.parquet`, ... of one run, and beside them `_run/`: the journal, `run.json` and the lock.

    A shard is done when its page of the journal is there, which is written after it; either appears whole or not at
    all, and is on the disk before the next step. Programs that read a folder of tables pass over names that begin with
    an underscore.

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
            resume: go on with what is there; a folder without a run is started in.

        Returns:
            Whether there is a run to go on with.

        Raises:
            InputError: the folder holds a run, or shards of no run; or, to resume, a run that was made otherwise.
        """
        if not self._info.exists():
            stray = next(self.path.glob(f"faces-*.{self.suffix}"), None)
            if stray is not None:
                raise InputError(f"{stray}: is in the way and belongs to no run; choose another --out")
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

    def commit(self, number: int, content: bytes, photos: Iterable[PhotoEntry]) -> None:
        """Write a whole shard, then its page.

        Raises:
            InputError: the disk is full, or the folder cannot be written to.
        """
        path = self.shard(number)
        try:
            self._write(number, path, content, photos)
        except OSError as error:
            raise InputError(
                f"{path}: cannot be written ({error.strerror}); --resume goes on later"
            ) from error

    def _write(self, number: int, path: Path, content: bytes, photos: Iterable[PhotoEntry]) -> None:
        write_bytes(path, content, durable=True, scratch=self._notes)  # no reader of the folder meets it
        page = ShardPage(number, len(content), sha256_of(path), tuple(photos))
        write_bytes(self.page(number), page.to_bytes(), durable=True)

    def _whole_page(self, number: int) -> ShardPage | None:
        """The page of a shard; None, with a complaint, where page or shard are damaged."""
        shard = self.shard(number)
        try:
            page = ShardPage.read(self.page(number))
            if page.number != number:
                raise InputError(f"{self.page(number)}: is the page of shard {page.number}")
        except InputError as error:
            self.complaints.append(f"{error}; its photos are done again")
            return None
        if not shard.is_file():
            self.complaints.append(f"{shard}: is gone; its photos are done again")
        elif shard.stat().st_size != page.n_bytes or sha256_of(shard) != page.sha256:
            self.complaints.append(f"{shard}: is damaged or was changed; its photos are done again")
        else:
            return page
        return None


def _numbers(paths: Iterable[Path]) -> list[int]:
    found = (_NUMBER.fullmatch(path.stem) for path in paths)
    return sorted(int(match[1]) for match in found if match)
