"""How far a run over many photos is: a bar on a terminal, else a line every ten seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

__all__ = ["PhotoProgress"]

Item = TypeVar("Item")

SECONDS = 10.0
"""Between two lines."""


class PhotoProgress:
    """Counts the photos of a run and says rate, failures and time left.

    Args:
        console: of the messages.
        total: photos of the run.
        clock: seconds that only ever grow, whatever happens to the time of day.

    Attributes:
        n_done, n_failed: photos so far, and those of them that could not be used.
    """

    def __init__(self, console: Console, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._total = total
        self._clock = clock
        self.n_done = 0
        self.n_failed = 0

    def follow(self, results: Iterable[Item], failed: Callable[[Item], bool]) -> Iterator[Item]:
        """The results, with the progress shown between them.

        Args:
            results: one per photo.
            failed: whether one is of a photo that could not be used.
        """
        bar = self._bar() if self._console.is_terminal else None
        started = said = self._clock()
        with bar or nullcontext():
            for result in results:
                yield result
                self.n_done += 1
                self.n_failed += failed(result)
                now = self._clock()
                says = self._says(now - started)
                if bar is not None:
                    bar.update(bar.task_ids[0], advance=1, says=says)
                elif now - said >= SECONDS:
                    self._console.print(f"{self.n_done:,} of {self._total:,} photos, {says}")
                    said = now

    def _bar(self) -> Progress:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        columns = TextColumn("photos"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[says]}")
        bar = Progress(*columns, console=self._console, transient=True)
        bar.add_task("photos", total=self._total, says="")
        return bar

    def _says(self, seconds: float) -> str:
        rate = self.n_done / max(seconds, 1e-9)
        left = round((self._total - self.n_done) / max(rate, 1e-9))
        hours, minutes = divmod(left // 60, 60)
        clock = f"{hours}:{minutes:02}:{left % 60:02}" if hours else f"{minutes}:{left % 60:02}"
        return f"{rate:.1f} per second, {self.n_failed:,} failed, {clock} left"
