import numpy as np
import pytest

from efficientfan.data.occluders import OCCLUDERS

DOWN = np.array([0.0, 1.0])
POINTS = np.random.default_rng(0).uniform(30, 90, (68, 2))
"""Landmarks of an upright face on a crop of 128 pixels."""


def rngs(count):
    return [np.random.default_rng(seed) for seed in range(count)]


def changed_pixels(name, rng, points=POINTS, down=DOWN, side=128):
    crop = np.full((side, side, 3), 77, np.uint8)
    return (OCCLUDERS[name](crop, points, down, rng) != crop).any(axis=2)


@pytest.mark.parametrize("name", OCCLUDERS)
@pytest.mark.parametrize("side", [1, 2, 7, 32, 128])
def test_occluders_keep_shape_and_type_and_leave_their_input_alone(name, side):
    crop = np.random.default_rng(1).integers(0, 256, (side, side, 3), np.uint8)
    before = crop.copy()
    for rng in rngs(10):
        covered = OCCLUDERS[name](crop, POINTS * side / 128, DOWN, rng)
        assert covered.shape == crop.shape
        assert covered.dtype == np.uint8
    np.testing.assert_array_equal(crop, before)


@pytest.mark.parametrize("side", [32, 128])
def test_occlusion_covers_one_rectangle_of_2_to_16_percent(side):
    crop = np.full((side, side, 3), 77, np.uint8)
    shares = []
    for rng in rngs(300):
        covered = (OCCLUDERS["occlusion"](crop, POINTS, DOWN, rng) != crop).any(axis=2)
        rows, columns = np.flatnonzero(covered.any(axis=1)), np.flatnonzero(covered.any(axis=0))
        area = (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)
        assert covered.sum() > 0.95 * area
        shares.append(area / side**2)
    # Sides are whole pixels, so an area strays by half a pixel times half of the circumference.
    slack = 2 / side
    assert 0.02 - slack / 4 < min(shares) < 0.04
    assert 0.14 < max(shares) < 0.16 + slack / 2


@pytest.mark.parametrize(("down", "below"), [((0.0, 1.0), np.s_[52:]), ((0.0, -1.0), np.s_[:68])])
def test_a_mask_covers_the_half_of_the_face_that_is_down(down, below):
    for rng in rngs(30):
        covered = changed_pixels("mask", rng, down=np.array(down))
        assert covered.sum() > 300
        assert covered[below].sum() > 0.9 * covered.sum()


def test_a_mask_needs_labeled_landmarks_and_takes_no_others():
    nothing = np.full((68, 2), np.nan)
    assert not changed_pixels("mask", np.random.default_rng(0), points=nothing).any()
    half = np.where(np.arange(68)[:, None] < 40, POINTS, np.nan)
    assert changed_pixels("mask", np.random.default_rng(0), points=half).any()


def test_a_hand_reaches_over_a_part_of_the_crop():
    shares = []
    for rng in rngs(60):
        covered = changed_pixels("hand", rng)
        shares.append(covered.mean())
    assert 0.03 < min(shares) < max(shares) < 0.6
