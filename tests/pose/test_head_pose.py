import dataclasses

import cv2
import numpy as np
import pytest
from turned_heads import face_of, project, turned_head

from efficientfan.errors import InputError
from efficientfan.pose import Pose, head_pose, head_shape
from efficientfan.pose.head_shape import steady_shape
from efficientfan.predict.crops import roll_of
from efficientfan.schema import convert_points, get_schema, list_schemas

ANGLES = [
    (0, 0, 0),
    (60, 0, 0),
    (-60, 0, 0),
    (0, 30, 0),
    (0, -30, 0),
    (0, 0, 90),
    (45, 20, -30),
    (-50, -25, 170),
]


def angles(pose):
    return np.array([pose.yaw, pose.pitch, pose.roll])


def apart(first, second):
    """Degrees between angles."""
    return np.abs((np.asarray(first) - second + 180) % 360 - 180)


def between(first, second):
    """Degrees of the turn from one pose to another."""
    return float(np.degrees(np.linalg.norm(cv2.Rodrigues(first.rotation @ second.rotation.T)[0])))


@pytest.mark.parametrize("given", [*ANGLES, (170, 80, -179), (-90, -89, 5)])
def test_angles_and_back(given):
    assert angles(Pose.from_angles(*given)) == pytest.approx(given, abs=1e-9)


def nose(pose):
    return pose.rotation @ [0, 0, -1]


def test_signs_of_the_axes():
    x, y, z = nose(Pose.from_angles(30, 0, 0))
    assert (x > 0, y, z < 0) == (True, pytest.approx(0), True)  # to the right of the image
    x, y, z = nose(Pose.from_angles(0, 30, 0))
    assert (x, y < 0, z < 0) == (pytest.approx(0), True, True)  # up
    left_eye = Pose.from_angles(0, 0, 30).rotation @ [
        1,
        0,
        0,
    ]  # counter-clockwise: the eye at the right goes up
    assert left_eye[0] > 0
    assert left_eye[1] < 0


def test_yaw_and_pitch_are_where_the_nose_points_whatever_the_roll():
    for roll in (0, 40, -120):
        assert nose(Pose.from_angles(35, 20, roll)) == pytest.approx(nose(Pose.from_angles(35, 20, 0)))


@pytest.mark.parametrize("given", ANGLES)
@pytest.mark.parametrize("distance", [8.0, 10.0, 100.0])
def test_a_head_of_known_angles(given, distance):
    pose = turned_head(*given, distance=distance).pose
    assert apart(angles(pose), given).max() < 2.5  # of which the unknown distance of the camera is the most
    assert pose.n_points == 38


@pytest.mark.parametrize("given", ANGLES)
def test_a_known_camera_gives_the_pose_exactly(given):
    yaw, pitch, roll = given
    truth = Pose.from_angles(yaw, pitch, roll, translation=(0.5, -1.0, 8.0))
    face = face_of(project(head_shape(), truth, 640, (319.5, 239.5)))
    pose = head_pose(face, image_size=(640, 480))
    assert apart(angles(pose), given).max() < 0.01
    assert pose.translation == pytest.approx(truth.translation, abs=1e-3)
    assert pose.error < 1e-3
    wide = face_of(project(head_shape(), truth, 300, (319.5, 239.5)))
    assert apart(angles(head_pose(wide, image_size=(640, 480), focal=300)), given).max() < 0.01


@pytest.mark.parametrize("given", [(0, 0, 0), (40, 15, 20), (-40, -15, -20)])
def test_five_points_are_enough(given):
    assert apart(angles(turned_head(*given, schema="five").pose), given).max() < 2.5


@pytest.mark.parametrize("name", list_schemas())
def test_every_packaged_schema_tells_the_pose(name):
    schema = get_schema(name)
    places = steady_shape(schema)
    truth = Pose.from_angles(25, -10, 15, (0, 0, 30))
    points = project(np.nan_to_num(places), truth, 3000)
    assert apart(angles(face_of(points, name).pose), (25, -10, 15)).max() < 1.5


@pytest.mark.parametrize("given", ANGLES)
def test_a_mirrored_face_has_mirrored_yaw_and_roll(given):
    face = turned_head(*given)
    mirrored = dataclasses.replace(face, points=face.schema.flip(face.points, 400))
    assert apart(angles(mirrored.pose), angles(face.pose) * [-1, 1, -1]).max() < 0.01


@pytest.mark.parametrize("turn", [30, -75, 180])
def test_a_turned_photo_turns_the_head_as_a_whole(turn):
    face = turned_head(30, 15, 5)
    around = Pose.from_angles(0, 0, turn).rotation
    turned = dataclasses.replace(face, points=face.points @ around[:2, :2].T)
    assert turned.pose.rotation == pytest.approx(around @ face.pose.rotation, abs=1e-3)


def test_roll_has_the_sign_of_the_crops_roll():
    for roll in (-60, 25, 120):
        face = turned_head(0, 0, roll)
        assert face.pose.roll == pytest.approx(roll_of(convert_points(face.points, "ibug68", "five")), abs=1)


def test_size_and_place_in_the_photo_do_not_matter_where_the_camera_is_not_known():
    face = turned_head(30, 15, 5)
    other = dataclasses.replace(face, points=face.points * 3 + [1000, 50])
    assert between(face.pose, other.pose) < 0.01
    assert other.pose.error == pytest.approx(3 * face.pose.error, rel=0.01)


def test_mean_error_of_noisy_landmarks_on_heads_of_other_proportions_is_below_four_degrees():
    rng = np.random.default_rng(7)
    errors = []
    for _ in range(200):
        given = rng.uniform([-60, -30, -180], [60, 30, 180])
        places = head_shape() * rng.normal(1, 0.06, 3) + rng.normal(0, 0.01, (68, 3))
        face = turned_head(*given, distance=float(rng.uniform(6, 30)), places=places)
        noisy = dataclasses.replace(
            face, points=face.points + rng.normal(0, 2.0, (68, 2))
        )  # 2 % of 100 pixels
        errors.append(apart(angles(noisy.pose), given))
    assert np.mean(errors, axis=0).max() < 4


def test_landmarks_that_are_not_visible_or_not_sure_are_left_out():
    face = turned_head(40, 10, 0)
    wrong = np.array(face.points)
    wrong[36:42] += 60  # the right eye
    assert between(face_of(wrong).pose, face.pose) > 5
    seen = np.eye(3)[np.zeros(68, int)]
    seen[36:42] = [0, 0.2, 0.8]
    hidden = face_of(wrong, visibility=seen).pose
    assert hidden.n_points == 32
    assert between(hidden, face.pose) < 1
    scores = np.full(68, 0.3)
    scores[36:42] = 0.1
    unsure = face_of(wrong, scores=scores).pose
    assert (unsure.n_points, between(unsure, hidden)) == (32, pytest.approx(0, abs=1e-6))
    unlabeled = wrong.copy()
    unlabeled[36:42] = np.nan
    assert face_of(unlabeled).pose.n_points == 32


def test_the_error_is_in_pixels_and_says_how_little_a_face_is_like_a_head():
    face = turned_head(0, 0, 0)
    shaken = face_of(face.points + np.random.default_rng(0).normal(0, 3, (68, 2)))
    assert face.pose.error < 1
    assert 3 < shaken.pose.error < 6


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (np.zeros((68, 2)), "the landmarks coincide"),
        (np.full((68, 2), np.nan), "of ibug68 it knows 0"),
    ],
)
def test_no_pose(points, message):
    with pytest.raises(InputError, match=message):
        _ = face_of(points).pose


@pytest.mark.parametrize("seed", range(20))
def test_landmarks_that_are_no_face_are_a_pose_with_a_large_error_or_an_input_error(seed):
    rng = np.random.default_rng(seed)
    points = rng.normal(0, 10.0 ** rng.integers(-6, 20), (68, 2))
    points[rng.random(68) < 0.3] = rng.choice([np.nan, np.inf])
    for size in (None, (640, 480)):
        try:
            pose = head_pose(face_of(points), image_size=size)
        except InputError:
            continue
        assert np.isfinite(pose.rotation).all()
        assert pose.error > 0.2 * np.nanstd(points[np.isfinite(points).all(axis=1)])


def test_too_few_visible_landmarks_are_said():
    visibility = np.eye(3)[np.full(68, 1)]
    visibility[30:34] = [1, 0, 0]
    with pytest.raises(InputError, match="of ibug68 it knows 38, of which 4 are visible and sure"):
        _ = face_of(turned_head(0, 0, 0).points, visibility=visibility).pose


def test_a_schema_without_known_names():
    schema = dataclasses.replace(
        get_schema("five"), name="mine", landmarks=("a", "b", "c", "d", "e"), regions={}
    )
    face = dataclasses.replace(turned_head(0, 0, 0, schema="five"), schema=schema)
    with pytest.raises(InputError, match="of mine it knows 0"):
        _ = face.pose


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"focal": 500.0}, "only with image_size"),
        ({"image_size": (0, 480)}, "positive"),
        ({"image_size": (640, 480), "focal": 0.0}, "positive"),
        ({"image_size": (640, 480), "focal": float("nan")}, "positive"),
    ],
)
def test_cameras_that_do_not_exist(arguments, message):
    with pytest.raises(InputError, match=message):
        head_pose(turned_head(0, 0, 0), **arguments)


@pytest.mark.parametrize(
    ("rotation", "translation", "message"),
    [
        (np.eye(2), np.zeros(3), r"rotation must have shape \(3, 3\), not \(2, 2\)"),
        (np.eye(3), np.zeros(2), r"translation must have shape \(3,\)"),
        (2 * np.eye(3), np.zeros(3), "must be a rotation"),
        (np.diag([-1, 1, 1]), np.zeros(3), "must be a rotation"),
        (np.full((3, 3), np.nan), np.zeros(3), "must be a rotation"),
    ],
)
def test_a_pose_checks_itself(rotation, translation, message):
    with pytest.raises(InputError, match=message):
        Pose(rotation, translation)


def test_plain_values():
    table = Pose.from_angles(12.345, -1, 0).to_dict()
    assert table == {"yaw": 12.35, "pitch": -1.0, "roll": 0.0, "error": 0.0}
