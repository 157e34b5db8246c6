"""Interleaved timing: each round runs every job once, so ratios hold on a machine whose speed drifts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from efficientfan.errors import InputError

__all__ = ["Clock", "TimedJob", "Timing", "Track", "Visit", "measure", "silent", "timed"]

Clock: TypeAlias = Callable[[], float]
"""Seconds from some fixed moment."""

Visit: TypeAlias = Callable[[int, Clock], Sequence[float]]
"""(repeats, clock) -> the seconds of each repeat."""

Track: TypeAlias = Callable[[str, Sequence[int]], Iterable[int]]
"""(title, steps) -> the steps one by one, while a progress bar advances."""


@dataclass(frozen=True)
class TimedJob:
    """A job to be timed.

    Attributes:
        key: unique among the jobs of one measurement.
        visit: does it several times; `timed` makes one from a function.
        faces: how many faces one repeat handles.
    """

    key: str
    visit: Visit
    faces: int = 1


@dataclass(frozen=True)
class Timing:
    """The measured seconds of one job.

    Attributes:
        rounds: for each round the seconds of each repeat.
        faces: how many faces one repeat handles.
    """

    rounds: tuple[tuple[float, ...], ...]
    faces: int = 1

    def __post_init__(self) -> None:
        if not self.rounds or not all(self.rounds):
            raise InputError("a timing needs at least one round, and one repeat in each")

    @property
    def median_ms(self) -> float:
        """Median of all repeats, in milliseconds."""
        return 1e3 * self._percentile(50)

    @property
    def p95_ms(self) -> float:
        """95th percentile of all repeats, in milliseconds (linear between samples)."""
        return 1e3 * self._percentile(95)

    @property
    def quartiles_ms(self) -> tuple[float, float]:
        """25th and 75th percentile of all repeats, in milliseconds."""
        return 1e3 * self._percentile(25), 1e3 * self._percentile(75)

    @property
    def best_ms(self) -> float:
        """The fastest repeat, in milliseconds."""
        return 1e3 * self._percentile(0)

    @property
    def faces_per_second(self) -> float:
        """Faces per second at the median."""
        return self.faces / self._percentile(50)

    def ratio_to(self, reference: Timing) -> float:
        """How many times slower a face is than in `reference`: the median over rounds of each round's ratio.

        Raises:
            InputError: they were not measured in the same rounds.
        """
        if len(self.rounds) != len(reference.rounds):
            raise InputError(
                f"timings of {len(self.rounds)} and {len(reference.rounds)} rounds are not compared"
            )
        per_round = [
            float(np.median(own)) / float(np.median(other))
            for own, other in zip(self.rounds, reference.rounds, strict=True)
        ]
        return float(np.median(per_round)) * reference.faces / self.faces

    def _percentile(self, share: float) -> float:
        return float(np.percentile([seconds for each in self.rounds for seconds in each], share))


def timed(run: Callable[[], object]) -> Visit:
    """A visit that calls `run` once untimed, to fill caches and thread pools, and then times it."""

    def visit(repeats: int, clock: Clock) -> list[float]:
        run()
        seconds = []
        for _ in range(repeats):
            start = clock()
            run()
            seconds.append(clock() - start)
        return seconds

    return visit


def silent(_: str, steps: Sequence[int]) -> Iterable[int]:
    """A `Track` that shows nothing."""
    return steps


def measure(
    jobs: Sequence[TimedJob],
    *,
    rounds: int,
    repeats: int,
    seed: int = 0,
    clock: Clock = time.perf_counter,
    track: Track = silent,
    what: str = "rounds",
) -> Mapping[str, Timing]:
    """Time jobs in interleaved rounds.

    Args:
        jobs: with keys of their own.
        rounds: how often each job is visited; the order within a round is random.
        repeats: timed repeats per visit.
        seed: of the order.
        clock: returns seconds.
        track: shows progress; called once, with `what`.

    Returns:
        Key -> timing, in the order of the jobs.

    Raises:
        InputError: no rounds or repeats, or two jobs of one key.
    """
    if rounds < 1 or repeats < 1:
        raise InputError(f"rounds and repeats must be at least 1, not {rounds} and {repeats}")
    if len({job.key for job in jobs}) != len(jobs):
        raise InputError(f"two candidates have one name: {', '.join(job.key for job in jobs)}")
    order = np.random.default_rng(seed)
    seconds: dict[str, list[tuple[float, ...]]] = {job.key: [] for job in jobs}
    for _ in track(what, range(rounds)):
        for index in order.permutation(len(jobs)):
            job = jobs[index]
            seconds[job.key].append(tuple(job.visit(repeats, clock)))
    return {job.key: Timing(tuple(seconds[job.key]), job.faces) for job in jobs}
