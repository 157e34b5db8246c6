"""Threads that work ahead: results in the order of the items, and never more than a few of them at a time."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import TypeVar

from efficientfan.errors import InputError

__all__ = ["ThreadShares", "Workers", "share_threads", "usable_cores"]

Item = TypeVar("Item")
Result = TypeVar("Result")


class Workers:
    """A pool of threads for one run, and a lazy `map` on it. Leaving the `with` block leaves no thread behind.

    Maps may be chained, each fed by the one before: all share the threads, and the items flow through them without a
    stage waiting for the one before it to finish. Decoding, OpenCV and the engines let other threads run meanwhile.

    Args:
        threads: how many; with one there is no pool, and everything happens in the calling thread, item by item.

    Raises:
        InputError: fewer than one thread.
    """

    def __init__(self, threads: int) -> None:
        if threads < 1:
            raise InputError(f"threads must be at least 1, not {threads}")
        self.threads = threads
        self._pool = ThreadPoolExecutor(threads, "efficientfan") if threads > 1 else None

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def map(
        self, function: Callable[[Item], Result], items: Iterable[Item], *, ahead: int | None = None
    ) -> Iterator[Result]:
        """`function` of each item, in order. Items are taken, in the caller's thread, only as results are.

        An exception of `function` is raised where its result would have come.

        Args:
            function: called by several threads at once.
            items: any number.
            ahead: most results that are under way or wait to be taken; None is one more than threads.
        """
        if self._pool is None:
            yield from map(function, items)
            return
        most = self.threads + 1 if ahead is None else ahead
        waiting: deque[Future[Result]] = deque()
        for item in items:
            waiting.append(self._pool.submit(function, item))
            del item  # whoever works on it holds it as long as need be
            if len(waiting) >= most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@dataclass(frozen=True)
class ThreadShares:
    """How the threads of a run are used.

    Attributes:
        workers: photos, or batches of faces, that are worked on at once.
        each: threads within the work of one of them.
    """

    workers: int
    each: int


def share_threads(threads: int | None, n_photos: int) -> ThreadShares:
    """Threads spread over photos first, since those never wait for each other; what is left goes into each.

    Args:
        threads: in all; None takes the cores that this process may use.
        n_photos: of the run.

    >>> share_threads(8, 1000), share_threads(8, 2)
    (ThreadShares(workers=8, each=1), ThreadShares(workers=2, each=4))
    """
    total = threads or usable_cores()
    workers = max(1, min(total, n_photos))
    return ThreadShares(workers, total // workers)


def usable_cores() -> int:
    """Processor threads that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # fewer than the machine has, in a container or under taskset
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
