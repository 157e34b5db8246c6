import itertools
import threading

import numpy as np
import pytest

from efficientfan.errors import InputError
from efficientfan.video.frames import Notes, Selection
from efficientfan.video.live import LiveFrames, camera_pixels
from efficientfan.video.source import Video

IMAGE = np.zeros((2, 2, 3), np.uint8)


def numbered(number):
    return lambda: IMAGE + np.uint8(number)


class Camera:
    """Gives a frame for each permission; `given` says that the last of them has been taken over."""

    def __init__(self):
        self.allowed = threading.Semaphore(0)
        self.given = threading.Semaphore(0)

    def frames(self):
        for number in itertools.count():
            assert self.allowed.acquire(timeout=10)
            yield numbered(number)
            self.given.release()  # asked for the next one: this one lies ready

    def give(self, count):
        for _ in range(count):
            self.allowed.release()
        for _ in range(count):
            assert self.given.acquire(timeout=10)


def test_the_newest_frame_is_taken_and_stale_ones_are_counted():
    camera, notes = Camera(), Notes()
    frames = iter(LiveFrames("fake", camera.frames, notes))
    camera.allowed.release()
    first = next(frames)
    assert camera.given.acquire(timeout=10)
    camera.give(5)
    second = next(frames)
    camera.give(1)
    third = next(frames)
    assert [each.index for each in (first, second, third)] == [0, 5, 6]
    assert [int(each.pixels()[0, 0, 0]) for each in (first, second, third)] == [0, 5, 6]
    assert first.time == 0
    assert first.time < second.time <= third.time
    assert notes.dropped == 4
    assert notes.complaints == []


def test_of_a_live_source_each_nth_frame_is_one_at_least_so_far_on():
    camera, notes = Camera(), Notes()
    live = LiveFrames("fake", camera.frames, notes)
    camera.allowed.release()
    video = Video("fake", live, notes, Selection(every=3))
    assert video.live
    assert (video.width, video.height) == (2, 2)
    taken = [next(video).index]
    assert camera.given.acquire(timeout=10)
    camera.give(5)
    taken.append(next(video).index)
    assert taken == [0, 5]
    assert video.dropped == 4


def test_a_source_that_stalls_is_opened_again():
    opened, never = [], threading.Event()

    def source():
        opened.append(len(opened))
        yield numbered(len(opened))
        if len(opened) == 1:
            never.wait(10)

    notes = Notes()
    live = LiveFrames("fake", source, notes, timeout=0.05, retries=2, pause=0.0)
    frames = list(itertools.islice(live, 2))
    never.set()
    assert [frame.index for frame in frames] == [0, 1]
    assert notes.complaints == ["fake: no frame for 0.05 s; connecting again"]


def test_a_source_that_stalls_can_be_stopped():
    never = threading.Event()

    def source():
        yield numbered(0)
        never.wait(10)

    notes = Notes()
    live = LiveFrames("fake", source, notes, timeout=60)
    frames = iter(live)
    next(frames)
    threading.Timer(0.05, live.stop).start()
    assert list(frames) == []
    assert list(live) == []  # and is not opened again
    never.set()
    assert notes.complaints == []


def test_after_some_attempts_it_is_given_up():
    attempts = []

    def source():
        attempts.append(1)
        if len(attempts) > 1:
            raise InputError("fake: refused")
        yield numbered(0)

    notes = Notes()
    assert len(list(LiveFrames("fake", source, notes, retries=2, pause=0.0))) == 1
    assert len(attempts) == 3
    assert notes.complaints == [
        "fake: the source has ended; connecting again",
        "fake: refused; connecting again",
        "fake: refused; given up",
    ]


def test_a_source_that_never_gave_a_frame_is_an_error():
    with pytest.raises(InputError, match=r"^fake: the source has ended$"):
        list(LiveFrames("fake", lambda: iter(()), Notes(), timeout=1))


def test_no_such_camera(capfd):
    with pytest.raises(InputError, match=r"^/dev/video99: the camera cannot be opened \(no such device\)$"):
        camera_pixels("/dev/video99")
    assert capfd.readouterr().err == ""
