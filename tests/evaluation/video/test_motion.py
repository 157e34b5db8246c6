import numpy as np
import pytest
from tiny_model import disc_photo

from efficientfan.evaluation.video.motion import PHASES, RenderedMotion

POINTS = np.array([(50.0, 40.0), (110.0, 45.0), (80.0, 85.0)])


@pytest.fixture
def motion():
    photo = disc_photo(*((x, y, 6) for x, y in POINTS))
    return RenderedMotion(photo, POINTS, unit=60.0, rate=10, seconds=1.0, size=(320, 180), noise=0.0)


def centers(image, around):
    """The middle of the light around each of some points."""
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    found = []
    for x, y in around:
        light = image[..., 0] * (np.hypot(columns - x, rows - y) < 18)
        found.append([(light * columns).sum() / light.sum(), (light * rows).sum() / light.sum()])
    return np.array(found)


def test_the_truth_is_where_the_pixels_are(motion):
    frames = list(motion.frames())
    assert len(frames) == motion.n_frames == 10 * len(PHASES)
    truth = motion.truth(np.arange(len(frames)))
    for frame, points in zip(frames, truth, strict=True):
        np.testing.assert_allclose(centers(frame.image, points), points, atol=0.1)


def test_other_points_of_the_photo_move_as_its_face_does(motion):
    middle = POINTS.mean(axis=0, keepdims=True)
    indices = np.arange(motion.n_frames)
    np.testing.assert_allclose(
        motion.truth(indices, middle), motion.truth(indices).mean(axis=1, keepdims=True), atol=1e-9
    )


def test_each_phase_does_what_it_is_named_for(motion):
    truth = motion.truth(np.arange(motion.n_frames)).reshape(len(PHASES), 10, 3, 2)
    still, sideways, scale, roll = (each - truth[0, 0] for each in truth)
    assert np.abs(still).max() == 0
    assert np.ptp(sideways, axis=1).max() < 1e-9  # all points alike
    assert np.ptp(sideways[..., 0]) / (60 * motion.scale) == pytest.approx(1.6, rel=0.06)
    sides = np.linalg.norm(truth[:, :, 0] - truth[:, :, 1], axis=-1) / (np.hypot(60, 5) * motion.scale)
    assert (sides[2].min(), sides[2].max()) == pytest.approx((0.75, 1.25), abs=0.02)
    np.testing.assert_allclose(sides[3], 1)
    assert np.abs(roll).max() > 10
    assert scale.max() > 5


def test_noise_is_new_in_each_frame_and_the_same_in_each_run(motion):
    noisy = RenderedMotion(motion.photo, POINTS, 60.0, rate=5, seconds=1.0, size=(160, 90), noise=5.0)
    first, second = list(noisy.frames()), list(noisy.frames())
    assert all(np.array_equal(a.image, b.image) for a, b in zip(first, second, strict=True))
    assert 0 < np.abs(first[0].image.astype(int) - first[1].image).mean() < 10
