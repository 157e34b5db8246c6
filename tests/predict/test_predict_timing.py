import math
import threading

import pytest

from efficientfan.predict.timing import STAGES, UNTIMED, StageTimes

WAIT = 20  # seconds until a test that would hang fails


@pytest.fixture
def clock():
    """A clock that stands still until it is told: a list with the seconds as its only item."""
    return [100.0]


def test_seconds_add_up_by_stage(clock):
    times = StageTimes(lambda: clock[0])
    for stage, seconds in (("network", 2.0), ("read", 0.5), ("network", 1.5)):
        with times.measure(stage):
            clock[0] += seconds
    assert times.total == 4.0
    assert [(row.stage, row.seconds, row.share) for row in times.rows(2, 5)] == [
        ("read", 0.5, 0.125),
        ("network", 3.5, 0.875),
    ]
    assert [(row.photo_ms, row.face_ms) for row in times.rows(2, 5)] == [(250, 100), (1750, 700)]
    assert math.isnan(times.rows(2, 0)[0].face_ms)


def test_time_until_an_error_counts(clock):
    times = StageTimes(lambda: clock[0])

    def broken():
        with times.measure("detect"):
            clock[0] += 3
            raise ValueError("no such photo")

    with pytest.raises(ValueError, match="no such photo"):
        broken()
    assert times.total == 3


def test_threads_share_one():
    times, adding, added = StageTimes(), threading.Event(), threading.Event()

    class Slow(float):
        """Its sum takes until another thread has added its own, were that let, or a moment has passed."""

        def __radd__(self, other):
            adding.set()
            added.wait(0.1)
            return float(other) + float(self)

    thread = threading.Thread(target=times.add, args=("crop", Slow(1)))
    thread.start()
    assert adding.wait(WAIT)
    times.add("crop", 2.0)
    added.set()
    thread.join()
    assert times.total == 3


def test_a_stage_has_a_known_name():
    with pytest.raises(KeyError):
        StageTimes().add("lunch", 1.0)
    assert StageTimes().rows(1, 1) == []


def test_nothing_is_measured_where_nobody_asks(clock):
    with UNTIMED.measure("read"):
        clock[0] += 1
    UNTIMED.add("read", 1.0)
    assert UNTIMED.total == 0
    assert list(STAGES) == ["read", "detect", "crop", "network", "faces", "draw", "write"]
