import dataclasses
import json

import numpy as np
import pytest
from turned_heads import face_of, project, turned_head

from efficientfan.errors import InputError
from efficientfan.pose import Blink, Pose, blinks, eye_openness, head_shape, mouth_openness
from efficientfan.pose.openness import describe
from efficientfan.schema import get_schema

IBUG = get_schema("ibug68")


def head_with(eyes=None, mouth=None):
    """(68, 3) of the neutral head, with lids or lips as far apart as asked for (in interocular distances)."""
    places = head_shape()
    for top, bottom in ((37, 41), (38, 40), (43, 47), (44, 46)):
        if eyes is not None:
            places[bottom] = places[top] + [0, eyes, 0]
    for top, bottom in ((61, 67), (62, 66), (63, 65)):
        if mouth is not None:
            places[bottom] = places[top] + [0, mouth, 0]
    return places


def test_openness_is_the_gap_by_the_width():
    right, left = turned_head(0, 0, 0, places=head_with(eyes=0.1), distance=1000).eye_openness
    width = np.linalg.norm(head_shape()[45] - head_shape()[42])
    assert right == pytest.approx(left)
    assert left == pytest.approx(0.1 / width, rel=0.01)
    mouth = turned_head(0, 0, 0, places=head_with(mouth=0.25), distance=1000).mouth_openness
    assert mouth == pytest.approx(0.25 / (2 * head_shape()[64, 0]), rel=0.01)


def test_shut_is_zero():
    face = turned_head(20, 10, 30, places=head_with(eyes=0, mouth=0))
    assert max(*face.eye_openness, face.mouth_openness) < 1e-3


@pytest.mark.parametrize("yaw", [-45, -20, 20, 45])
@pytest.mark.parametrize("pitch", [-20, 20])
def test_the_turn_of_the_head_is_undone(yaw, pitch):
    places = head_with(eyes=0.1, mouth=0.3)
    straight, turned = turned_head(0, 0, 0, places=places), turned_head(yaw, pitch, 25, places=places)
    assert turned.eye_openness == pytest.approx(straight.eye_openness, rel=0.15)
    assert turned.mouth_openness == pytest.approx(straight.mouth_openness, rel=0.15)


def test_without_that_the_turn_would_count_for_much():
    places = head_with(eyes=0.1)
    raw = Pose(np.eye(3), np.zeros(3))
    straight, turned = turned_head(0, 0, 0, places=places), turned_head(45, 0, 0, places=places)
    change = np.abs(np.divide(eye_openness(turned, raw), eye_openness(straight, raw)) - 1)
    assert change.max() > 0.3


def test_each_eye_is_the_persons_own():
    places = head_with(eyes=0.1)
    places[[43, 44]] = places[[47, 46]]  # the person's left eye, at the right of the image
    right, left = turned_head(0, 0, 0, places=places).eye_openness
    assert right > 0.25
    assert left < 0.01


def test_mirroring_changes_the_eyes_places():
    places = head_with(eyes=0.1)
    places[[43, 44]] = places[[47, 46]]
    face = turned_head(10, 5, 3, places=places)
    mirrored = dataclasses.replace(face, points=IBUG.flip(face.points, 400))
    assert mirrored.eye_openness == pytest.approx(face.eye_openness[::-1], abs=1e-3)


def test_an_eye_with_a_landmark_without_a_place_is_not_known():
    points = np.array(turned_head(0, 0, 0).points)
    points[37], points[43] = np.inf, np.nan
    assert np.isnan(face_of(points).eye_openness).all()


def test_an_eye_that_is_turned_away_or_covered_is_not_known():
    right, left = turned_head(80, 0, 0).eye_openness
    assert np.isnan([right, left]).any()
    visibility = np.eye(3)[np.zeros(68, int)]
    visibility[43] = [0.1, 0.8, 0.1]
    face = face_of(turned_head(0, 0, 0).points, visibility=visibility)
    right, left = face.eye_openness
    assert right > 0.2
    assert np.isnan(left)
    assert np.isfinite(face.mouth_openness)


@pytest.mark.parametrize("name", ["wflw98", "lapa106", "cofw29"])
def test_schemas_with_other_lids(name):
    schema = get_schema(name)
    places = dict.fromkeys(schema.landmarks, np.zeros(3))
    places |= dict(zip(IBUG.landmarks, head_with(eyes=0.1, mouth=0.2), strict=True))
    shape = dict(zip(IBUG.landmarks, head_shape(), strict=True))
    for side in ("right", "left"):
        for place in ("top", "bottom"):
            lids = [places[f"{side}_eye_{place}_{where}"] for where in ("inner", "outer")]
            places |= {f"{side}_eye_{place}": lids[1], f"{side}_eye_{place}_middle": lids[0]}
    places |= {"upper_lip_bottom": places["inner_lip_2"], "lower_lip_top": places["inner_lip_6"]}
    places |= {"right_mouth_corner": shape["outer_lip_0"], "left_mouth_corner": shape["outer_lip_6"]}
    pose = Pose.from_angles(15, 5, 40, (0, 0, 100))
    face = face_of(project(np.stack([places[n] for n in schema.landmarks]), pose, 10_000), name)
    right, left = eye_openness(face, pose)
    assert (right, left) == pytest.approx((0.32, 0.32), abs=0.03)
    assert mouth_openness(face, pose) == pytest.approx(0.2 / 0.5, rel=0.2)


@pytest.mark.parametrize("name", ["five", "aflw19"])
def test_schemas_without_lids_and_lips(name):
    points = np.random.default_rng(0).uniform(0, 100, (get_schema(name).n_landmarks, 2))
    with pytest.raises(InputError, match=f"schema '{name}' has no eyelids"):
        _ = face_of(points, name).eye_openness
    with pytest.raises(InputError, match=f"schema '{name}' has no inner edges"):
        _ = face_of(points, name).mouth_openness


def test_description_is_json():
    table = turned_head(10, 5, 3).to_dict(pose=True)
    assert json.loads(json.dumps(table, allow_nan=False)) == table
    assert table["pose"]["yaw"] == pytest.approx(10, abs=1.5)
    assert len(table["eye_openness"]) == 2
    assert table["mouth_openness"] > 0
    assert (
        not table.keys()
        - turned_head(10, 5, 3).to_dict().keys()
        - {
            "pose",
            "eye_openness",
            "mouth_openness",
        }
    )


def test_description_of_what_is_not_known():
    unknown = {"eye_openness": [None, None], "mouth_openness": None}
    assert describe(face_of(np.zeros((68, 2)))) == {"pose": None, **unknown}
    five = describe(turned_head(10, 5, 3, schema="five"))
    assert five.pop("pose")["yaw"] == pytest.approx(10, abs=1.5)
    assert five == unknown


def series(closed, rate=50.0, length=4.0, noise=0.0):
    """Openness 0.3, and 0.05 within each of the (start, end) seconds; with its times."""
    times = np.arange(0, length, 1 / rate)
    values = np.full(len(times), 0.3)
    for start, end in closed:
        values[(times >= start - 1e-9) & (times < end - 1e-9)] = 0.05
    return values + np.random.default_rng(3).normal(0, noise, len(times)), times


@pytest.mark.parametrize("rate", [25.0, 50.0, 240.0])
def test_blinks_have_the_same_times_at_any_frame_rate(rate):
    found = blinks(*series([(1.0, 1.2), (2.4, 2.52)], rate))
    assert [blink.start for blink in found] == pytest.approx([1.0, 2.4], abs=1.01 / rate)
    assert [blink.end for blink in found] == pytest.approx([1.2, 2.52], abs=1.01 / rate)
    assert [blink.lowest for blink in found] == pytest.approx([0.05, 0.05])


def test_noise_makes_no_blinks_and_breaks_none():
    values, times = series([(1.0, 1.2)], noise=0.02)
    assert len(blinks(values, times)) == 1
    values, times = series([], noise=0.015)
    assert blinks(values, times) == []


def test_between_the_thresholds_the_eye_stays_as_it_was():
    values = [1, 1, 0.7, 1, 0.5, 0.7, 0.5, 0.7, 1, 1]
    times = np.arange(10) * 0.05
    assert blinks(values, times, usual=1, shut=0.6, opened=0.75) == [Blink(0.2, pytest.approx(0.4), 0.5)]
    assert len(blinks(values, times, usual=1, shut=0.6, opened=0.6)) == 2


def test_long_short_and_cut_closures_are_no_blinks():
    assert blinks(*series([(1.0, 2.0)])) == []
    assert len(blinks(*series([(1.0, 2.0)]), longest=1.5)) == 1
    assert blinks(*series([(1.0, 1.02)])) == []
    assert len(blinks(*series([(1.0, 1.02)]), shortest=0.0)) == 1
    assert blinks(*series([(0.0, 0.2), (3.9, 4.0)])) == []


def test_thresholds_are_shares_of_the_persons_open_eye():
    values, times = series([(1.0, 1.2)])
    assert blinks(values / 2, times)[0].start == blinks(values, times)[0].start
    assert blinks(values, times, usual=0.06) == []


def test_unknown_samples_change_nothing():
    values, times = series([(1.0, 1.2)])
    values[[20, 53, 54, 90]] = np.nan
    assert [(b.start, b.end) for b in blinks(values, times)] == [(1.0, pytest.approx(1.2))]
    assert blinks(np.full(5, np.nan), np.arange(5)) == []
    assert blinks([], []) == []


@pytest.mark.parametrize(
    ("openness", "times", "settings", "message"),
    [
        ([1, 2], [1], {}, r"not \(2,\) and \(1,\)"),
        ([[1]], [[1]], {}, "same shape"),
        ([1, 2], [1, 1], {}, "increase"),
        ([1, 2], [1, np.nan], {}, "finite"),
        ([1], [1], {"shut": 0.9}, "0 < shut <= opened"),
        ([1], [1], {"shut": 0}, "0 < shut"),
        ([1], [1], {"shortest": 1.0}, "shortest <= longest"),
    ],
)
def test_blinks_refuse(openness, times, settings, message):
    with pytest.raises(InputError, match=message):
        blinks(openness, times, **settings)
