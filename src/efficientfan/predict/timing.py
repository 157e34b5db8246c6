"""Seconds of each stage of a run, summed over threads; measured on request."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from threading import Lock

__all__ = ["STAGES", "UNTIMED", "StageRow", "StageTimes"]

STAGES = {
    "read": "files decoded to pixels",
    "detect": "faces found by the detector",
    "crop": "faces cropped, both passes",
    "network": "landmarks predicted, both passes",
    "faces": "second boxes, choice of faces",
    "draw": "pictures drawn",
    "write": "pictures and results written",
}
"""The stages of a photo, in order, and what each does."""


@dataclass(frozen=True)
class StageRow:
    """One stage of a run.

    Attributes:
        stage: one of `STAGES`.
        seconds: summed over threads.
        share: part of the seconds of all stages, in [0, 1].
        photo_ms, face_ms: milliseconds per photo and per face; NaN where there is none.
    """

    stage: str
    seconds: float
    share: float
    photo_ms: float
    face_ms: float


class StageTimes:
    """Sums up the seconds of each stage; threads may share it.

    Seconds are wall-clock time, so waiting for a processor core counts. With one thread their sum is the time of the
    run, less what belongs to no stage.

    Args:
        clock: seconds from some fixed moment.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._seconds = dict.fromkeys(STAGES, 0.0)
        self._lock = Lock()

    @property
    def so_far(self) -> Mapping[str, float]:
        """Seconds of each stage until now."""
        with self._lock:
            return dict(self._seconds)

    def measure(self, stage: str) -> AbstractContextManager[None]:
        """Adds the time of a `with` block to one of `STAGES`; blocks do not nest."""
        return self._measured(stage)

    @contextmanager
    def _measured(self, stage: str) -> Iterator[None]:
        started = self._clock()
        try:
            yield
        finally:
            self.add(stage, self._clock() - started)

    def add(self, stage: str, seconds: float) -> None:
        """Add seconds that were measured elsewhere to one of `STAGES`.

        Raises:
            KeyError: another stage.
        """
        with self._lock:
            self._seconds[stage] += seconds

    @property
    def total(self) -> float:
        """Seconds of all stages."""
        return sum(self._seconds.values())

    def rows(self, n_photos: int, n_faces: int) -> list[StageRow]:
        """The stages that took time, in order, per photo and per face."""
        total = self.total
        return [
            StageRow(stage, seconds, seconds / total, _ms(seconds, n_photos), _ms(seconds, n_faces))
            for stage, seconds in self._seconds.items()
            if seconds
        ]


class _Untimed(StageTimes):
    """Measures nothing."""

    def measure(self, stage: str) -> AbstractContextManager[None]:
        return nullcontext()

    def add(self, stage: str, seconds: float) -> None:
        pass


UNTIMED: StageTimes = _Untimed()
"""Used where no times are wanted."""


def _ms(seconds: float, count: int) -> float:
    return seconds * 1e3 / count if count else float("nan")
