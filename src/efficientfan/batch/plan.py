"""What a run has to do: the photos that no whole shard holds, in shards of a fixed size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count, islice

from efficientfan.batch.journal import ShardPage, Stamp, stamp_of
from efficientfan.batch.sources import plain_path
from efficientfan.predict.many import Workers
from efficientfan.predict.photos import Photo

__all__ = ["Chunk", "RunPlan", "plan_run"]

_TO_DO, _DONE, _AGAIN = 0, 1, 2


@dataclass(frozen=True)
class Chunk:
    """Photos whose results are written at once.

    Attributes:
        number: of their shard.
        photos: in their order.
        rewrites: whether the shard exists, and only the results of these photos change in it.
    """

    number: int
    photos: Sequence[Photo]
    rewrites: bool = False


@dataclass(frozen=True)
class RunPlan:
    """What is to be done, and what is not.

    Attributes:
        chunks: what is to be done, in this order.
        n_done: photos of the run that are done.
        n_failed: of them, such that could not be used.
        n_changed: photos that are done again, because their files have changed.
        n_retried: photos that are done again, because they failed.
        n_unlisted: photos in the shards that are not among the run's.
    """

    chunks: list[Chunk]
    n_done: int = 0
    n_failed: int = 0
    n_changed: int = 0
    n_retried: int = 0
    n_unlisted: int = 0

    @property
    def n_photos(self) -> int:
        """Photos to be done."""
        return sum(len(chunk.photos) for chunk in self.chunks)


def plan_run(
    photos: Sequence[Photo],
    pages: Iterable[ShardPage],
    photos_per_shard: int,
    *,
    retry_failed: bool = False,
    content: bool = False,
    workers: Workers | None = None,
) -> RunPlan:
    """Divide what is left to do.

    The same photos give the same shards, whenever a run was interrupted: shards are filled in the order of the photos,
    and the free numbers are taken in order.

    Args:
        photos: of the run, each path once.
        pages: of the whole shards, by number.
        photos_per_shard: photos of a new shard.
        retry_failed: do photos again that could not be used.
        content: compare files by their content's digest, not by size and time.
        workers: threads that look at the files.
    """
    index = {plain_path(photo.path): position for position, photo in enumerate(photos)}
    state = bytearray(len(photos))
    taken: set[int] = set()
    again: list[Chunk] = []
    n_failed = n_changed = n_retried = n_unlisted = 0

    def look(page: ShardPage) -> tuple[ShardPage, list[tuple[int | None, Stamp | None]]]:
        positions = [index.get(plain_path(each.path)) for each in page.photos]
        return page, [
            (position, None if position is None else stamp_of(each.path, content=content))
            for each, position in zip(page.photos, positions, strict=True)
        ]

    for page, found in (workers or Workers(1)).map(look, pages):
        taken.add(page.number)
        redone = []
        for entry, (position, stamp) in zip(page.photos, found, strict=True):
            if position is None:
                n_unlisted += 1
                continue
            retried = retry_failed and entry.failed
            if entry.is_current(stamp) and not retried:
                state[position] = _DONE
                n_failed += entry.failed
            else:
                state[position] = _AGAIN
                redone.append(replace(photos[position], path=entry.path))  # its rows keep their spelling
                n_retried += retried
                n_changed += not retried
        if redone:
            again.append(Chunk(page.number, redone, rewrites=True))
    left = (photo for photo, each in zip(photos, state, strict=True) if each == _TO_DO)
    numbers = (number for number in count() if number not in taken)
    fresh = [
        Chunk(number, chunk) for number, chunk in zip(numbers, _groups(left, photos_per_shard), strict=False)
    ]
    return RunPlan([*again, *fresh], state.count(_DONE), n_failed, n_changed, n_retried, n_unlisted)


def _groups(photos: Iterable[Photo], size: int) -> Iterator[list[Photo]]:
    each = iter(photos)
    while group := list(islice(each, size)):
        yield group
