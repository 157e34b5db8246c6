import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from efficientfan.errors import InputError
from efficientfan.geometry import (
    BoxCorrection,
    CropTransform,
    as_boxes,
    box_iou,
    box_of_points,
    cells_to_pixels,
    pixels_to_cells,
)
from efficientfan.schema import get_schema


def number(low, high):
    return st.floats(low, high, allow_subnormal=False)


@st.composite
def boxes(draw):
    x, y = draw(number(-500, 2000)), draw(number(-500, 2000))
    return np.array([x, y, x + draw(number(8, 1500)), y + draw(number(8, 1500))])


FIVE = get_schema("five")

points = arrays(np.float64, (FIVE.n_landmarks, 2), elements=number(-500, 3500))
poses = st.fixed_dictionaries(
    {
        "rotation": number(-180, 180),
        "scale": number(0.5, 2),
        "shift": st.tuples(number(-0.5, 0.5), number(-0.5, 0.5)),
        "flip": st.booleans(),
    }
)
sizes = st.integers(16, 512)
margins = number(-0.5, 1)


@given(boxes(), sizes, margins, poses, points)
def test_crop_then_uncrop(box, size, margin, pose, face):
    crop = CropTransform.from_box(box, size, margin, **pose)
    np.testing.assert_allclose(crop.inverse(crop.apply(face)), face, rtol=0, atol=1e-9)


@given(boxes(), sizes, margins)
def test_the_crop_is_centered_on_the_box_with_its_longer_side_and_margin(box, size, margin):
    side = max(box[2:] - box[:2]) * (1 + margin)
    middle = (box[:2] + box[2:]) / 2
    # A crop of S pixels covers [-0.5, S - 0.5].
    corners = CropTransform.from_box(box, size, margin).inverse([[-0.5, -0.5], [size - 0.5, size - 0.5]])
    np.testing.assert_allclose(corners, [middle - side / 2, middle + side / 2], rtol=0, atol=1e-9)


@given(boxes(), sizes, margins, poses)
def test_scale_is_crop_pixels_per_image_pixel(box, size, margin, pose):
    crop = CropTransform.from_box(box, size, margin, **pose)
    a, b = crop.apply([[100.0, 50.0], [103.0, 54.0]])
    assert crop.scale == pytest.approx(np.linalg.norm(b - a) / 5, rel=1e-9)
    side = max(box[2:] - box[:2]) * (1 + margin)
    assert crop.scale == pytest.approx(pose["scale"] * size / side, rel=1e-9)


@given(boxes(), sizes, margins, number(-180, 180))
def test_positive_rotation_turns_the_content_counter_clockwise_on_the_screen(box, size, margin, rotation):
    crop = CropTransform.from_box(box, size, margin, rotation=rotation)
    middle = (box[:2] + box[2:]) / 2
    center, right = crop.apply([middle, middle + np.array([1, 0])])
    x, y = (right - center) / crop.scale
    # y points down: what lay to the right of the center has gone up by the sine.
    assert x == pytest.approx(math.cos(math.radians(rotation)), abs=1e-9)
    assert y == pytest.approx(-math.sin(math.radians(rotation)), abs=1e-9)


def test_a_quarter_turn():
    crop = CropTransform.from_box([0, 0, 10, 10], 11, margin=0.1, rotation=90)
    np.testing.assert_allclose(crop.apply([5, 5]), [5, 5], atol=1e-12)
    np.testing.assert_allclose(crop.apply([10, 5]), [5, 0], atol=1e-12)  # the right edge is on top now
    np.testing.assert_allclose(crop.apply([5, 0]), [0, 5], atol=1e-12)


@given(boxes(), sizes, margins, poses, points)
def test_a_flipped_crop_holds_what_the_schema_flips(box, size, margin, pose, face):
    plain = CropTransform.from_box(box, size, margin, **{**pose, "flip": False}).apply(face)
    flipped = CropTransform.from_box(box, size, margin, **{**pose, "flip": True}).apply(face)
    swapped = flipped[FIVE.flip_indices]
    np.testing.assert_allclose(swapped, FIVE.flip(plain, size), rtol=0, atol=1e-8)
    np.testing.assert_allclose(FIVE.flip(swapped, size), plain, rtol=0, atol=1e-8)  # twice is none


@given(boxes(), sizes, margins, poses)
def test_shift_moves_the_content_by_crop_sides_before_the_flip(box, size, margin, pose):
    moved = CropTransform.from_box(box, size, margin, **pose).apply((box[:2] + box[2:]) / 2)
    expected = (size - 1) / 2 + np.array(pose["shift"]) * size
    if pose["flip"]:
        expected[0] = size - 1 - expected[0]
    np.testing.assert_allclose(moved, expected, rtol=0, atol=1e-8)


def test_nan_stays_nan():
    crop = CropTransform.from_box([0, 0, 4, 4], 8)
    out = crop.apply([[np.nan, np.nan], [1, 1]])
    assert np.isnan(out[0]).all()
    assert np.isfinite(out[1]).all()


@pytest.mark.parametrize(("size", "margin", "scale"), [(0, 0.25, 1), (8, -1, 1), (8, 0.25, 0)])
def test_impossible_crops(size, margin, scale):
    with pytest.raises(InputError):
        CropTransform.from_box([0, 0, 4, 4], size, margin, scale=scale)


def test_a_matrix_of_another_shape():
    with pytest.raises(InputError, match=r"\(2, 3\), not \(3, 3\)"):
        CropTransform(np.eye(3), 8)


@given(arrays(np.float64, (4, 2), elements=number(-1000, 1000)), st.integers(1, 32))
def test_cells_and_pixels_are_inverse(cells, stride):
    np.testing.assert_allclose(
        pixels_to_cells(cells_to_pixels(cells, stride), stride), cells, rtol=0, atol=1e-9
    )


@pytest.mark.parametrize("stride", [1, 2, 4, 8])
def test_a_cell_lies_in_the_middle_of_its_pixels(stride):
    for cell in range(3):
        pixels = np.arange(cell * stride, (cell + 1) * stride)
        assert cells_to_pixels(cell, stride) == pixels.mean()


def test_boxes_are_checked():
    assert as_boxes([0, 1, 2, 3]).tolist() == [[0, 1, 2, 3]]
    assert as_boxes([]).shape == (0, 4)
    assert as_boxes(np.zeros((0, 4))).shape == (0, 4)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([[0, 0, 1]], r"shape \(N, 4\)"),
        (np.zeros((1, 1, 4)), r"shape \(N, 4\)"),
        ([[0, 0, 5, 5], [3, 0, 3, 5]], "box 1 has no positive width"),
        ([[0, 5, 5, 4]], "box 0 has no positive"),
        ([[0, 0, np.inf, 4]], "box 0 holds a value that is not finite"),
        ([[0, 0, np.nan, 4]], "box 0 holds a value that is not finite"),
        ([[0, 0, 1e155, 1e155]], "box 0 holds a value that is no pixel coordinate"),
        ([[-1e300, 0, 4, 4]], "box 0 holds a value that is no pixel coordinate"),
        ([[0, 0, 10**400, 4]], "boxes must be numbers"),
        ([[0, 0, 1e-300, 1e-300]], "box 0 has no positive width"),
        ("box", "must be numbers"),
        ([[0, 0, 1], [0, 0, 1, 1]], "must be numbers"),
    ],
)
def test_unusable_boxes(value, message):
    with pytest.raises(InputError, match=message):
        as_boxes(value)


def test_box_of_points_leaves_out_unlabeled_ones():
    face = [[3, 9], [np.nan, np.nan], [5, 1], [4, np.nan]]
    assert box_of_points(face).tolist() == [3, 1, 5, 9]


@pytest.mark.parametrize("face", [[[1, 2]], [[1, 2], [np.nan, 3]]])
def test_one_point_has_no_box(face):
    with pytest.raises(InputError, match="two labeled points"):
        box_of_points(face)


def count_cells(box):
    """The unit cells that a whole-numbered box covers."""
    x0, y0, x1, y1 = box
    return {(x, y) for x in range(x0, x1) for y in range(y0, y1)}


@st.composite
def small_boxes(draw):
    x, y = draw(st.integers(0, 6)), draw(st.integers(0, 6))
    return [x, y, x + draw(st.integers(1, 5)), y + draw(st.integers(1, 5))]


@given(st.lists(small_boxes(), min_size=1, max_size=3), st.lists(small_boxes(), min_size=1, max_size=3))
def test_iou_against_counting(first, second):
    expected = [
        [len(count_cells(a) & count_cells(b)) / len(count_cells(a) | count_cells(b)) for b in second]
        for a in first
    ]
    np.testing.assert_allclose(box_iou(first, second), expected, rtol=0, atol=1e-12)


def test_iou_of_none():
    assert box_iou(np.zeros((0, 4)), [[0, 0, 1, 1]]).shape == (0, 1)


def test_the_median_correction_leads_from_boxes_to_others():
    rng = np.random.default_rng(3)
    low = rng.uniform(0, 100, (9, 2))
    boxes = np.concatenate([low, low + rng.uniform(10, 50, (9, 2))], axis=1)
    wanted = BoxCorrection((0.1, -0.2), (1.5, 2.0))
    others = wanted.apply(boxes)
    others[0] += 1000  # one that is off changes no median
    found = BoxCorrection.between(boxes, others)
    np.testing.assert_allclose([found.shift, found.scale], [wanted.shift, wanted.scale], atol=1e-9)


@pytest.mark.parametrize(
    ("shift", "scale"), [((0,), (1, 1)), ((0, np.nan), (1, 1)), ((0, 0), (1, 0)), ((0, 0), (1, np.inf))]
)
def test_a_correction_is_four_sound_numbers(shift, scale):
    with pytest.raises(InputError, match="of a box"):
        BoxCorrection(shift, scale)
