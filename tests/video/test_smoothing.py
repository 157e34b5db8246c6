import numpy as np
import pytest

from efficientfan.errors import InputError
from efficientfan.schema import get_schema
from efficientfan.video.smoothing import SMOOTHINGS, LandmarkSmoother, face_unit, smoothing_named

IBUG = get_schema("ibug68")
RNG = np.random.default_rng(0)
BASE = RNG.uniform(0, 200, (68, 2))
ONES = np.ones(68)


def smooth(points, times, name="light", scores=ONES):
    smoother = LandmarkSmoother(SMOOTHINGS[name], IBUG)
    return np.array([smoother(each, scores, time) for each, time in zip(points, times, strict=True)])


def moving(times, speed):
    """`speed` inter-ocular distances per second to the right."""
    shift = np.column_stack([times * speed * face_unit(BASE, IBUG), np.zeros(len(times))])
    return BASE + shift[:, None]


def frames_late(rate, name, speed=1.5):
    """How far behind a steady motion, in frames of 1/30 s."""
    times = np.arange(2 * rate) / rate
    behind = (moving(times, speed) - smooth(moving(times, speed), times, name))[-1, :, 0].mean()
    return behind / (speed * face_unit(BASE, IBUG)) * 30


@pytest.mark.parametrize(("name", "share"), [("light", 1 / 3), ("strong", 1 / 8)])
def test_a_still_face_trembles_less(name, share):
    times = np.arange(120) / 30
    noisy = BASE + RNG.normal(0, 0.006 * face_unit(BASE, IBUG), (120, 68, 2))
    second = [np.diff(each[20:], 2, axis=0).std() for each in (smooth(noisy, times, name), noisy)]
    assert second[0] < share * second[1]


@pytest.mark.parametrize(("name", "most"), [("light", 1.0), ("strong", 2.5)])
def test_a_moving_face_is_followed(name, most):
    assert 0.1 < frames_late(30, name) < most


def test_settings_hold_at_any_frame_rate():
    assert frames_late(120, "light") == pytest.approx(frames_late(30, "light"), rel=0.2)


def test_size_does_not_matter():
    times = np.arange(30) / 30
    noisy = moving(times, 0.3) + RNG.normal(0, 0.5, (30, 68, 2))
    np.testing.assert_allclose(smooth(3 * noisy, times), 3 * smooth(noisy, times), rtol=1e-9)


def test_unsure_landmarks_follow_more_slowly():
    times = np.arange(30) / 30
    unsure = np.where(np.arange(68) < 34, 0.2, 1.0)
    behind = (moving(times, 1.0) - smooth(moving(times, 1.0), times, scores=unsure))[-1, :, 0]
    assert behind[:34].min() > 2 * behind[34:].max()


def test_after_a_gap_it_begins_anew():
    times = np.array([0.0, 1 / 30, 2.0])
    points = np.stack([BASE, BASE, BASE + 50])
    np.testing.assert_array_equal(smooth(points, times)[-1], BASE + 50)


def test_the_unit_is_the_eyes_distance_and_in_profiles_does_not_vanish():
    face = np.zeros((68, 2))
    face[0], face[16], face[8] = (0, 50), (100, 50), (50, 100)
    face[36], face[45] = (20, 40), (80, 40)
    assert face_unit(face, IBUG) == 60
    face[45] = face[36]
    assert face_unit(face, IBUG) == pytest.approx(45)


def test_unknown_smoothing():
    assert smoothing_named("off") is None
    with pytest.raises(InputError, match="did you mean 'light'"):
        smoothing_named("lite")
