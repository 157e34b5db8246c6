import numpy as np
import pytest

from efficientfan.errors import InputError
from efficientfan.schema import get_schema
from efficientfan.structures import Face
from efficientfan.video import Frame
from efficientfan.video.hiding import HidingPlan, check_hiding, hide

BLANK = np.zeros((4, 4, 3), np.uint8)
FIVE = get_schema("five")


def frame(index, *faces):
    """Faces are (track id, x of the center): 20 pixels wide and high, around y = 50."""
    return Frame(
        index,
        index / 30,
        BLANK,
        [
            Face(
                [x - 10, 40, x + 10, 60],
                [[x - 10, 40], [x + 10, 40], [x, 50], [x - 10, 60], [x + 10, 60]],
                np.ones(5),
                FIVE,
                track_id=id_,
            )
            for id_, x in faces
        ],
    )


def plan_of(*frames, **options):
    plan = HidingPlan(**{"margin": 0, "hold": 0} | options)
    for each in frames:
        plan.add(each)
    return plan


def test_a_gap_of_a_track_is_filled_on_a_straight_line():
    plan = plan_of(frame(0, (1, 20)), frame(1), frame(2), frame(3), frame(4, (1, 60)))
    centers = [[box[[0, 2]].mean() for box in plan.boxes(index)] for index in range(5)]
    assert centers == [[20], [30], [40], [50], [60]]
    assert (plan.n_frames, plan.n_without, plan.n_bare) == (5, 3, 0)


def test_places_are_held_before_and_after():
    plan = plan_of(*(frame(i, *([(1, 20)] if i == 4 else [])) for i in range(9)), hold=2)
    assert [len(plan.boxes(index)) for index in range(9)] == [0, 0, 1, 1, 1, 1, 1, 0, 0]
    assert plan.n_bare == 4


def test_frames_are_named_by_their_numbers_and_faces_get_a_margin():
    plan = plan_of(frame(10, (1, 50)), frame(20, (1, 50), (2, 90)), margin=0.5)
    assert plan.boxes(15) == []
    assert plan.boxes(10)[0].tolist() == [30, 30, 70, 70]
    assert len(plan.boxes(20)) == 2


@pytest.mark.parametrize("how", ["blur", "mosaic", "fill"])
def test_nothing_inside_can_be_made_out_and_nothing_outside_changes(how):
    image = np.random.default_rng(0).integers(0, 256, (100, 120, 3), np.uint8)
    box = np.array([20, 10, 84, 74])
    hidden = hide(image, [box], how)
    inside = np.zeros((100, 120), bool)
    inside[10:75, 20:85] = True
    np.testing.assert_array_equal(hidden[~inside], image[~inside])
    # Of noise, cells of 8 x 8 pixels leave an eighth.
    assert hidden[inside].std() < image[inside].std() / 4
    assert not np.shares_memory(hidden, image)


def test_boxes_may_reach_out_of_the_frame():
    image = np.full((20, 20, 3), 200, np.uint8)
    assert (
        hide(image, [np.array([-30, -30, 5, 5]), np.array([40, 40, 60, 60])], "fill") == 32
    ).sum() == 6 * 6 * 3


def test_bad_options():
    with pytest.raises(InputError, match="did you mean 'mosaic'"):
        check_hiding("mosaik")
    with pytest.raises(InputError, match="margin"):
        HidingPlan(margin=-1)
