"""Where the time of a run goes: seconds by stage, summed over threads, measured only where somebody asks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from threading import Lock

__all__ = ["STAGES", "UNTIMED", "StageRow", "StageTimes"]

STAGES = {
    "read": "files to pixels",
    "detect": "the detector",
    "crop": "faces cut out, both passes",
    "network": "landmarks, both passes",
    "faces": "second box, choice of faces",
    "draw": "pictures drawn",
    "write": "pictures and results",
}
"""The stages of a photo's way, in order, and what each is."""


@dataclass(frozen=True)
class StageRow:
    """One stage of a run.

    Attributes:
        stage: one of `STAGES`.
        seconds: summed over threads.
        share: of all stages' seconds, in [0, 1].
        photo_ms, face_ms: milliseconds a photo and a face; NaN without any.
    """

    stage: str
    seconds: float
    share: float
    photo_ms: float
    face_ms: float


class StageTimes:
    """Adds up the seconds of each stage; threads may share it.

    Seconds are the clock's, so a stage that waits for a core of a busy machine counts its wait. With one thread their
    sum is the run's own time less what no stage claims.
    """

    def __init__(self) -> None:
        self._seconds = dict.fromkeys(STAGES, 0.0)
        self._lock = Lock()

    def measure(self, stage: str) -> AbstractContextManager[None]:
        """Counts the time of a `with` block towards one of `STAGES`; blocks do not nest."""
        return self._measured(stage)

    @contextmanager
    def _measured(self, stage: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.add(stage, time.perf_counter() - started)

    def add(self, stage: str, seconds: float) -> None:
        """Count seconds that were measured elsewhere towards one of `STAGES`."""
        with self._lock:
            self._seconds[stage] += seconds

    @property
    def total(self) -> float:
        """Seconds of all stages."""
        return sum(self._seconds.values())

    def rows(self, n_photos: int, n_faces: int) -> list[StageRow]:
        """The stages that took any time, in order."""
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
"""Stands where nobody asks for times."""


def _ms(seconds: float, count: int) -> float:
    return seconds * 1e3 / count if count else float("nan")
