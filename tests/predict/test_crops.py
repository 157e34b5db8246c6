import numpy as np
import pytest

from efficientfan.geometry import BoxCorrection, CropTransform
from efficientfan.predict.crops import FaceRegion, agree, region_of_landmarks, region_of_proposal, roll_of
from efficientfan.schema import convert_points, get_schema

IBUG68 = get_schema("ibug68")
BOX = np.array([100.0, 50.0, 180.0, 140.0])
UPRIGHT = BOX[:2] + np.array(IBUG68.layout) * (BOX[2:] - BOX[:2])
"""Landmarks of an upright face in `BOX`."""


def rolled(points, degrees):
    """Turned counter-clockwise on the screen around the middle of the box."""
    turn = CropTransform.from_box([90, 45, 190, 145], 101, 0.0, rotation=degrees)
    return turn.apply(points) + np.array([89.5, 44.5])


@pytest.mark.parametrize("degrees", [0, 20, -35, 90, 135, -170])
def test_roll_is_counter_clockwise_on_the_screen(degrees):
    five = convert_points(rolled(UPRIGHT, degrees), IBUG68, "five")
    assert roll_of(five) - roll_of(convert_points(UPRIGHT, IBUG68, "five")) == pytest.approx(degrees, abs=0.1)


@pytest.mark.parametrize("degrees", [0, 20, -35, 90, 135, -170])
def test_the_crop_of_rolled_landmarks_shows_the_face_upright_and_as_large(degrees):
    searched = FaceRegion(np.array([70.0, 25.0, 210.0, 165.0]))
    plain = region_of_landmarks(UPRIGHT, IBUG68, searched).crop(128, 0.25)
    turned = region_of_landmarks(rolled(UPRIGHT, degrees), IBUG68, searched).crop(128, 0.25)
    np.testing.assert_allclose(turned.apply(rolled(UPRIGHT, degrees)), plain.apply(UPRIGHT), atol=1.5)


def test_a_face_that_is_nearly_upright_is_cut_upright():
    region = region_of_landmarks(rolled(UPRIGHT, 10), IBUG68, FaceRegion(BOX))
    assert region.roll == 0
    points = rolled(UPRIGHT, 10)
    np.testing.assert_allclose(region.box, [*points.min(axis=0), *points.max(axis=0)])


def test_landmarks_that_have_left_the_searched_box_are_not_followed():
    searched = FaceRegion(np.array([400.0, 400.0, 480.0, 480.0]))
    assert region_of_landmarks(UPRIGHT, IBUG68, searched) is searched
    assert region_of_landmarks(np.zeros((68, 2)), IBUG68, searched) is searched


@pytest.mark.parametrize("degrees", [0, 90])
def test_a_model_that_is_trained_in_other_boxes_is_cut_in_such(degrees):
    """Twice as wide and high, and moved down by half: by the face's own axes."""
    searched = FaceRegion(np.array([70.0, 25.0, 210.0, 165.0]))
    correction = BoxCorrection((0.0, 0.5), (2.0, 2.0))
    tight = region_of_landmarks(rolled(UPRIGHT, degrees), IBUG68, searched)
    region = region_of_landmarks(rolled(UPRIGHT, degrees), IBUG68, searched, correction)
    size, moved = tight.box[2:] - tight.box[:2], (region.box - tight.box).reshape(2, 2).mean(axis=0)
    np.testing.assert_allclose(region.box[2:] - region.box[:2], 2 * size)
    down = np.array([np.sin(np.radians(region.roll)), np.cos(np.radians(region.roll))])
    np.testing.assert_allclose(moved, down * size[1] / 2, atol=1e-9)


def test_proposals_turn_with_their_points_and_stay_put_without():
    five = convert_points(rolled(UPRIGHT, 90), IBUG68, "five")
    turned = region_of_proposal(BOX, five)
    assert turned.roll == pytest.approx(90, abs=3)
    assert turned.box.tolist() == [97.5, 52.5, 182.5, 137.5]
    for unknown in (None, np.full((5, 2), np.nan)):
        region = region_of_proposal(BOX, unknown)
        assert (region.box.tolist(), region.roll) == (BOX.tolist(), 0.0)


@pytest.mark.parametrize(
    ("shift", "roll", "same"),
    [(0, 0, True), (4, 0, True), (30, 0, False), (0, 10, True), (0, 30, False), (0, 355, True)],
)
def test_crops_agree_where_they_would_show_the_same(shift, roll, same):
    assert agree(FaceRegion(BOX), FaceRegion(BOX + shift, roll)) is same


@pytest.mark.parametrize(
    ("roll", "degrees", "after"), [(0, 90, 90), (0, 270, -90), (100, 180, -80), (0, 180, 180)]
)
def test_a_turned_region_keeps_its_box(roll, degrees, after):
    region = FaceRegion(BOX, roll).turned(degrees)
    assert region.roll == after
    assert region.box is BOX
