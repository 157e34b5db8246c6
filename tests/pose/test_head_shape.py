import numpy as np
import pytest

from efficientfan.pose import head_shape
from efficientfan.pose.head_shape import steady_shape
from efficientfan.schema import get_conversion, get_schema, list_schemas

IBUG = get_schema("ibug68")
X, Y, Z = range(3)


def at(name):
    return head_shape()[IBUG.landmarks.index(name)]


def test_the_head_is_its_own_mirror_image():
    shape = head_shape()
    assert shape.shape == (68, 3)
    assert np.isfinite(shape).all()
    assert np.allclose(shape[IBUG.flip_indices] * [-1, 1, 1], shape)


def test_its_unit_is_the_interocular_distance_and_its_origin_lies_between_the_eyes():
    right, left = at("right_eye_outer_corner"), at("left_eye_outer_corner")
    assert np.allclose(left - right, [1, 0, 0])
    assert np.allclose(left + right, 0)


def test_it_looks_into_the_camera_upright():
    shape = head_shape()
    assert IBUG.landmarks[int(shape[:, Z].argmin())] == "nose_bridge_3"
    assert IBUG.landmarks[int(shape[:, Y].argmax())] == "jaw_8"
    assert at("left_eye_outer_corner")[X] > 0
    assert at("jaw_16")[Z] > 0.5


def test_its_lids_and_lips_are_a_little_open():
    for side in ("right", "left"):
        for place in ("outer", "inner"):
            gap = at(f"{side}_eye_bottom_{place}") - at(f"{side}_eye_top_{place}")
            assert 0.05 < gap[Y] < 0.15
    assert 0 < (at("inner_lip_6") - at("inner_lip_2"))[Y] < 0.05


@pytest.mark.parametrize("name", list_schemas())
def test_every_packaged_schema_has_the_five_landmarks_that_a_pose_needs(name):
    shape = steady_shape(get_schema(name))
    assert shape.shape == (get_schema(name).n_landmarks, 3)
    known = np.isfinite(shape).all(axis=1)
    assert known.sum() >= 5
    assert (np.isfinite(shape).any(axis=1) == known).all()
    assert np.linalg.matrix_rank(shape[known] - shape[known].mean(axis=0), tol=0.01) == 3
    flip = get_schema(name).flip_indices
    assert np.allclose(shape[flip] * [-1, 1, 1], shape, equal_nan=True)


def test_landmarks_of_one_meaning_lie_in_one_place():
    wflw = steady_shape(get_schema("wflw98"))
    means = get_conversion("wflw98", "ibug68").means_of
    converted = np.stack([wflw[list(group)].mean(axis=0) for group in means])
    assert np.allclose(converted, steady_shape(IBUG), equal_nan=True)
    assert np.isfinite(converted).all(axis=1).sum() == 38


def test_the_chin_the_lips_and_the_outline_say_nothing_of_the_pose():
    shape = steady_shape(IBUG)
    for name in ("jaw_0", "jaw_8", "inner_lip_2", "outer_lip_9", "outer_lip_10"):
        assert np.isnan(shape[IBUG.landmarks.index(name)]).all()
    for name in ("outer_lip_0", "outer_lip_1", "nose_base_4", "left_eyebrow_2"):
        assert np.allclose(shape[IBUG.landmarks.index(name)], at(name))


def test_the_shared_arrays_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        steady_shape(IBUG)[0] = 0
    head_shape()[:] = 0
    assert head_shape().any()
