import doctest

import numpy as np
import pytest
from skimage.data import astronaut

import efficientfan
from efficientfan.errors import InputError
from efficientfan.evaluation.video import steadiness
from efficientfan.evaluation.video.motion import RenderedMotion
from efficientfan.evaluation.video.steadiness import (
    jitter,
    measure_clip,
    measure_rendered,
    steadiness_table,
    still_frames,
)
from efficientfan.video.frames import VideoFrame
from efficientfan.video.smoothing import face_unit


@pytest.fixture(scope="module")
def predictor():
    return efficientfan.load("fast", threads=1)


def test_doctests():
    result = doctest.testmod(steadiness, extraglobs={"np": np})
    assert (result.attempted > 0, result.failed) == (True, 0)


def test_jitter_counts_still_frames_only():
    points = np.random.default_rng(0).normal(0, 1, (50, 4, 2))
    points[25:] *= 100
    still = np.arange(50) < 25
    second = np.diff(points[:25], 2, axis=0)
    expected = np.sqrt((second**2).sum(-1).mean()) / 7
    assert jitter(points, still, 7.0) == pytest.approx(expected)
    assert jitter(points, np.arange(50) % 3 > 0, 7.0) is None


def test_still_frames_are_told_from_moving_ones():
    rng = np.random.default_rng(0)
    shift = np.concatenate([np.zeros(40), np.linspace(0, 60, 40), np.full(40, 60.0)])
    face = rng.uniform(0, 100, (68, 2))
    points = face + np.stack([shift, 0 * shift], axis=-1)[:, None] + rng.normal(0, 0.3, (120, 68, 2))
    still = still_frames(points, unit=45.0)
    assert still[10:30].all()
    assert not still[42:78].any()
    assert still[90:110].all()


def test_light_smoothing_keeps_its_promise_on_rendered_motion(predictor):
    """At most a third of the jitter, at most a frame late."""
    off, light, strong = measure_rendered(predictor, astronaut(), seconds=0.8)
    assert (off.smoothing, light.smoothing, strong.smoothing) == ("off", "light", "strong")
    assert (off.frames, off.still) == (96, 24)
    assert abs(off.lag) < 0.2
    assert strong.jitter < light.jitter < off.jitter / 3
    assert 0 < light.lag < 1.1 < strong.lag
    assert off.error < light.error < strong.error < 0.1


def test_clips_without_truth(predictor):
    [face] = predictor(astronaut())
    points = face.points.astype(float)
    motion = RenderedMotion(astronaut(), points, face_unit(points, face.schema), seconds=1.2)
    rows = measure_clip(predictor, motion.frames(), "clip")
    off, light, _ = rows
    assert 15 < off.still < 36
    assert light.jitter < off.jitter / 2
    assert abs(off.lag) < 0.05 < light.lag < 1.5
    lines = steadiness_table(rows).splitlines()
    assert len(lines) == 4
    assert lines[1].split()[:3] == ["clip", "off", "144"]


def test_nothing_to_measure(predictor):
    with pytest.raises(InputError, match="no face is found in the photo"):
        measure_rendered(predictor, np.zeros((200, 200, 3), np.uint8))
    with pytest.raises(InputError, match="dark: no face is found in it"):
        measure_clip(predictor, [VideoFrame(0, 0.0, np.zeros((90, 120, 3), np.uint8))], "dark")
