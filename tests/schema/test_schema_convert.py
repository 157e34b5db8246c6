"""Conversions, against index lists written down here by hand and against the mirror."""

import numpy as np
import pytest

from efficientfan.errors import InputError
from efficientfan.schema import (
    LandmarkSchema,
    convert_points,
    convert_visibility,
    get_conversion,
    get_schema,
    list_conversions,
)

# The mapping in common use, spelled out: iBUG landmark -> WFLW landmark.
WFLW_OF_IBUG = {
    **{i: 2 * i for i in range(17)},
    **{17 + i: 33 + i for i in range(5)},
    **{22 + i: 42 + i for i in range(5)},
    **{27 + i: 51 + i for i in range(9)},
    **{36: 60, 37: 61, 38: 63, 39: 64, 40: 65, 41: 67},
    **{42: 68, 43: 69, 44: 71, 45: 72, 46: 73, 47: 75},
    **{48 + i: 76 + i for i in range(20)},
}

FIVE = {
    "ibug68": (range(36, 42), range(42, 48), 30, 48, 54),
    "wflw98": (range(60, 68), range(68, 76), 54, 76, 82),
    "lapa106": (range(66, 74), range(75, 83), 54, 84, 90),
    "cofw29": ((8, 10, 12, 13), (9, 11, 14, 15), 20, 22, 23),
    "aflw19": ((7,), (10,), 13, 15, 17),
}


def some_points(name: str, *batch: int) -> np.ndarray:
    return np.random.default_rng(1).uniform(0, 200, (*batch, get_schema(name).n_landmarks, 2))


def test_what_there_is():
    pairs = {(c.source, c.target) for c in list_conversions()}
    assert pairs == {("wflw98", "ibug68"), *((name, "five") for name in FIVE)}


def test_wflw_to_ibug():
    points = some_points("wflw98")
    converted = convert_points(points, "wflw98", "ibug68")
    assert converted.shape == (68, 2)
    for ibug, wflw in WFLW_OF_IBUG.items():
        assert converted[ibug].tolist() == points[wflw].tolist()


@pytest.mark.parametrize("name", FIVE)
def test_to_five(name):
    points = some_points(name)
    right, left, nose, right_mouth, left_mouth = FIVE[name]
    expected = [
        [sum(points[i, axis] for i in eye) / len(eye) for axis in (0, 1)] for eye in (right, left)
    ] + [points[i] for i in (nose, right_mouth, left_mouth)]
    assert np.abs(convert_points(points, name, "five") - expected).max() < 1e-12


def test_both_ways_to_five_agree_on_single_landmarks():
    points = some_points("wflw98")
    direct = convert_points(points, "wflw98", "five")
    by_way = convert_points(convert_points(points, "wflw98", "ibug68"), "ibug68", "five")
    assert np.abs(direct - by_way)[2:].max() < 1e-12


@pytest.mark.parametrize("conversion", list_conversions(), ids=lambda c: f"{c.source}-{c.target}")
def test_conversion_commutes_with_the_mirror(conversion):
    source, target = get_schema(conversion.source), get_schema(conversion.target)
    points = some_points(source.name, 3)
    mirrored_after = target.flip(convert_points(points, source, target), 200)
    mirrored_before = convert_points(source.flip(points, 200), source, target)
    assert np.abs(mirrored_after - mirrored_before).max() < 1e-12


def test_nan_goes_where_it_is_used():
    points = some_points("ibug68")
    points[38, 0] = np.nan  # a point of the right eye, in one coordinate
    points[0] = np.nan  # unused
    missing = np.isnan(convert_points(points, "ibug68", "five"))
    assert missing.tolist() == [[True, True], *[[False, False]] * 4]


def test_visibility_is_that_of_the_least_visible():
    flags = np.full(68, 2)
    flags[[36, 44, 45, 54]] = [1, 1, 0, 1]
    assert convert_visibility(flags, "ibug68", "five").tolist() == [1, 0, 2, 2, 1]
    assert convert_visibility(np.stack([flags, flags]), "ibug68", "five").shape == (2, 5)


def test_a_schema_to_itself():
    points = some_points("cofw29", 2)
    assert convert_points(points, "cofw29", get_schema("cofw29")).tolist() == points.tolist()


def test_undefined_conversion_lists_the_others():
    with pytest.raises(
        InputError, match=r"no conversion ibug68 -> wflw98 .*wflw98 -> ibug68, wflw98 -> five"
    ):
        convert_points(some_points("ibug68"), "ibug68", "wflw98")


def test_a_foreign_schema_of_a_packaged_name_is_not_mistaken_for_it():
    table = {**get_schema("ibug68").to_dict(), "landmarks": [f"point_{i}" for i in range(68)]}
    with pytest.raises(InputError, match="no conversion"):
        get_conversion(LandmarkSchema.from_dict(table), "five")


def test_a_foreign_schema_of_an_unknown_name():
    foreign = LandmarkSchema.from_dict({"name": "mine", "landmarks": ["a"], "flip_pairs": []})
    with pytest.raises(InputError, match="no conversion mine -> five"):
        convert_points([[0, 0]], foreign, "five")


@pytest.mark.parametrize("shape", [(67, 2), (68, 3), (68,), ()])
def test_wrong_number_of_points(shape):
    with pytest.raises(InputError, match=r"ibug68 points have shape \(\.\.\., 68, 2\)"):
        convert_points(np.zeros(shape), "ibug68", "five")


def test_wrong_number_of_flags():
    with pytest.raises(InputError, match="ibug68 flags"):
        convert_visibility(np.zeros(67), "ibug68", "five")
