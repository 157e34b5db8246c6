"""The arithmetic of timings, by a clock that we set, and the order in which jobs are visited."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from efficientfan.benchmark.timing import TimedJob, Timing, measure, timed
from efficientfan.errors import InputError


class FakeClock:
    """Stands still but for what jobs take."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def job(self, key: str, *seconds: float, faces: int = 1, log: list[str] | None = None) -> TimedJob:
        """Takes the given seconds in turn, over and over, the unseen run included."""
        calls = iter(range(10**6))

        def run() -> None:
            if log is not None:
                log.append(key)
            self.now += seconds[next(calls) % len(seconds)]

        return TimedJob(key, timed(run), faces)


def test_percentiles_are_of_all_repeats():
    timing = Timing(((0.001, 0.002, 0.003), (0.004, 0.005, 0.021)))
    assert timing.median_ms == pytest.approx(3.5)
    assert timing.best_ms == pytest.approx(1)
    assert timing.p95_ms == pytest.approx(5 + 0.75 * 16)  # rank 4.75 of 0..5
    assert Timing(((0.25,),), faces=8).faces_per_second == pytest.approx(32)


def test_each_visit_begins_with_a_run_that_is_not_seen():
    clock = FakeClock()
    timings = measure([clock.job("a", 9, 1, 2)], rounds=2, repeats=2, clock=clock)
    assert timings["a"].rounds == ((1, 2), (1, 2))


def test_a_round_visits_every_job_once_in_an_order_of_its_own():
    def order(seed):
        log: list[str] = []
        clock = FakeClock()
        jobs = [clock.job(key, 1, log=log) for key in "abcd"]
        assert list(measure(jobs, rounds=20, repeats=2, seed=seed, clock=clock)) == list("abcd")
        visits = log[::3]  # one unseen and two timed runs a visit
        assert log == [key for key in visits for _ in range(3)]
        return ["".join(visits[start : start + 4]) for start in range(0, 80, 4)]

    rounds = order(0)
    assert all(sorted(each) == list("abcd") for each in rounds)
    assert len(Counter(rounds)) > 8
    assert rounds == order(0)
    assert rounds != order(1)


def test_ratios_survive_a_machine_that_slows_down():
    drift = np.array([1, 1, 1, 5, 5, 5, 5, 1, 1]) * 1e-3
    reference = Timing(tuple((2 * each,) for each in drift))
    wobble = np.array([1, 1, 9, 1, 1, 0.2, 1, 1, 1])  # what hits one of the two alone
    other = Timing(tuple((each,) for each in 3 * drift * wobble))
    assert other.ratio_to(reference) == pytest.approx(1.5)
    assert reference.ratio_to(reference) == 1
    four = Timing(tuple((6 * each,) for each in drift), faces=4)
    assert four.ratio_to(reference) == pytest.approx(0.75)  # a face


def test_ratios_need_the_same_rounds():
    with pytest.raises(InputError, match="1 and 2 rounds"):
        Timing(((1.0,),)).ratio_to(Timing(((1.0,), (1.0,))))


@pytest.mark.parametrize(("rounds", "repeats"), [(0, 1), (1, 0)])
def test_nothing_to_measure(rounds, repeats):
    with pytest.raises(InputError, match="at least 1"):
        measure([], rounds=rounds, repeats=repeats)
    with pytest.raises(InputError, match="at least one round"):
        Timing(((),) * rounds)


def test_two_jobs_of_one_name():
    clock = FakeClock()
    with pytest.raises(InputError, match="one name"):
        measure([clock.job("a", 1), clock.job("a", 1)], rounds=1, repeats=1)


def test_progress_sees_every_round():
    seen = []

    def track(what, steps):
        for step in steps:
            seen.append((what, step))
            yield step

    clock = FakeClock()
    measure([clock.job("a", 1)], rounds=3, repeats=1, clock=clock, track=track, what="faces")
    assert seen == [("faces", 0), ("faces", 1), ("faces", 2)]
