"""A run in shards: what is to be done, and the writer that its results go to."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import accumulate

from efficientfan.batch.folder import ShardFolder
from efficientfan.batch.journal import PhotoEntry, ShardPage, Stamp, stamp_of
from efficientfan.batch.plan import Chunk, RunPlan, plan_run
from efficientfan.batch.run_info import RunInfo
from efficientfan.batch.shard_formats import ShardFormat
from efficientfan.formats.records import FailedPhoto, Record, Result
from efficientfan.predict.many import Workers
from efficientfan.predict.photos import Photo

__all__ = ["ShardedRun", "open_sharded_run"]


class ShardedRun:
    """Writes the results of a plan's photos, which come in its order, and commits each chunk once it is complete.

    Args:
        folder: where the shards are.
        plan: what is to be done.
        file_format: of the shards.
        content: whether the journal holds digests of the photos.

    Attributes:
        n_written: photos of this run that are in whole shards.
    """

    def __init__(
        self, folder: ShardFolder, plan: RunPlan, file_format: ShardFormat, *, content: bool = False
    ) -> None:
        self.folder = folder
        self.plan = plan
        self.n_written = 0
        self._format = file_format
        self._content = content
        self._chunks = deque(plan.chunks)
        self._stamps: deque[Stamp | None] = deque()
        self._entries: list[PhotoEntry] = []
        self._results: list[Result] = []

    @property
    def ends(self) -> frozenset[int]:
        """Positions, from 0, of the photos that complete a chunk; see `predict_photos`."""
        return frozenset(total - 1 for total in accumulate(len(chunk.photos) for chunk in self.plan.chunks))

    def photos(self, workers: Workers) -> Iterator[Photo]:
        """The photos to be done. The stamp of each is taken before it is handed out, so before it is read."""
        photos = [photo for chunk in self.plan.chunks for photo in chunk.photos]
        stamp = partial(stamp_of, content=self._content)
        for photo, each in zip(photos, workers.map(lambda one: stamp(one.path), photos), strict=True):
            self._stamps.append(each)
            yield photo

    def add(self, record: Record) -> None:
        """Take the next photo's result."""
        self._take(record, failed=False)

    def fail(self, failed: FailedPhoto) -> None:
        """Take the next photo, which could not be used."""
        self._take(failed, failed=True)

    def finish(self) -> None:
        """Nothing is left to write: the last photo completed its chunk."""

    def _take(self, result: Result, *, failed: bool) -> None:
        self._results.append(result)
        self._entries.append(PhotoEntry(result.image, self._stamps.popleft(), failed))
        if len(self._results) == len(self._chunks[0].photos):
            self.commit(self._chunks.popleft(), self._results, self._entries)
            self._results, self._entries = [], []

    def commit(self, chunk: Chunk, results: Sequence[Result], entries: Sequence[PhotoEntry]) -> None:
        """Write a whole chunk of the plan, in any order of the chunks.

        Args:
            chunk: of the plan, not written before.
            results: of its photos, in their order.
            entries: of the same photos, for the journal.
        """
        if chunk.rewrites:
            self._rewrite(chunk, results, entries)
        else:
            self.folder.commit(chunk.number, self._format.encode(results), entries)
        self.n_written += len(results)

    def _rewrite(self, chunk: Chunk, results: Sequence[Result], entries: Sequence[PhotoEntry]) -> None:
        whole = list(ShardPage.read(self.folder.page(chunk.number)).photos)
        places = {entry.path: place for place, entry in enumerate(whole)}
        changed = {}
        for entry, result in zip(entries, results, strict=True):
            whole[places[entry.path]] = entry
            changed[places[entry.path]] = result
        content = self._format.replace(self.folder.shard(chunk.number), changed)
        self.folder.commit(chunk.number, content, whole)


@contextmanager
def open_sharded_run(
    folder: ShardFolder,
    info: RunInfo,
    photos: Sequence[Photo],
    file_format: ShardFormat,
    *,
    photos_per_shard: int,
    resume: bool = False,
    retry_failed: bool = False,
    content: bool = False,
    workers: Workers | None = None,
) -> Iterator[ShardedRun]:
    """A run into a folder, which no other run may use until the block ends.

    Args:
        folder: where the shards are.
        info: what the run is made with.
        photos: all that the folder is to hold, each path once.
        file_format: of the shards.
        photos_per_shard: photos of a shard; what a killed run loses at most.
        resume: go on with the run that is there.
        retry_failed: do photos again that could not be used.
        content: compare files with those of the run by their content's digest, not by size and time.
        workers: threads that look at the files.

    Raises:
        InputError: as of `ShardFolder.lock` and `ShardFolder.claim`.
    """
    with folder.lock():
        folder.claim(info, resume=resume)
        plan = plan_run(
            photos,
            folder.pages(),
            photos_per_shard,
            retry_failed=retry_failed,
            content=content,
            workers=workers,
        )
        yield ShardedRun(folder, plan, file_format, content=content)
