import copy
import dataclasses
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from efficientfan.errors import InputError
from efficientfan.schema import get_schema
from efficientfan.structures import OCCLUDED, UNLABELED, VISIBLE, Annotation, Face

PHOTO = Path("folder/photo.jpg")
FIVE = get_schema("five")


def test_visibility_is_zero_exactly_where_points_are_nan():
    face = Annotation(
        PHOTO,
        [[1, 2], [np.nan, 5], [3, 4], [5, 6]],
        [VISIBLE, VISIBLE, UNLABELED, OCCLUDED],
    )
    assert face.visibility.tolist() == [VISIBLE, UNLABELED, UNLABELED, OCCLUDED]
    assert face.visibility.dtype == np.uint8
    assert np.isnan(face.points).tolist() == [[False] * 2, [True] * 2, [True] * 2, [False] * 2]
    assert face.tight_box.tolist() == [1, 2, 5, 6]


def test_an_annotation_does_not_change_or_share_what_it_was_given():
    points, visibility = np.ones((2, 2)), np.zeros(2, np.uint8)
    face = Annotation(PHOTO, points, visibility)
    assert (points == 1).all()
    points[:] = 9
    visibility[:] = VISIBLE
    assert np.isnan(face.points).all()
    assert not face.visibility.any()


def test_name_is_the_photos_unless_given():
    assert Annotation(PHOTO, np.ones((2, 2)), [2, 2]).name == "photo.jpg"
    assert Annotation(PHOTO, np.ones((2, 2)), [2, 2], name="a/1").name == "a/1"


def test_annotation_box_is_float64_of_four():
    face = Annotation(PHOTO, np.ones((2, 2)), [2, 2], box=[1, 2, 3, 4])
    assert face.box.dtype == np.float64
    assert face.box.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("points", "visibility", "box", "message"),
    [
        (np.ones(4), [2, 2], None, r"photo\.jpg: points must have shape \(K, 2\), not \(4,\)"),
        (np.ones((2, 3)), [2, 2], None, r"not \(2, 3\)"),
        (np.ones((2, 2)), [2], None, r"visibility must have shape \(2,\), not \(1,\)"),
        (np.ones((2, 2)), [2, 3], None, "flags are 0, 1 or 2, not 3"),
        (np.ones((2, 2)), [2, 2], [3, 0, 1, 4], "no positive width"),
    ],
)
def test_annotation_refuses(points, visibility, box, message):
    with pytest.raises(InputError, match=message):
        Annotation(PHOTO, points, visibility, box)


def test_tight_box_needs_two_points():
    with pytest.raises(InputError, match="two labeled points"):
        _ = Annotation(PHOTO, np.ones((3, 2)), [0, 2, 0]).tight_box


def make_face(**changes):
    values = {
        "box": [0, 0, 100, 120],
        "points": np.arange(10, dtype=np.float64).reshape(5, 2) + 0.12345,
        "scores": [0.1, 0.2, 0.3, 0.4, 1.0],
        "schema": FIVE,
        **changes,
    }
    return Face(**values)


def test_face_is_float32():
    face = make_face()
    assert (face.box.dtype, face.points.dtype, face.scores.dtype) == (np.float32,) * 3
    assert face.score == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"box": [[0, 0, 1, 1]]}, r"Face\.box must have shape \(4,\), not \(1, 4\)"),
        ({"points": np.zeros((4, 2))}, r"Face\.points must have shape \(5, 2\), not \(4, 2\)"),
        ({"scores": np.zeros(6)}, r"Face\.scores must have shape \(5,\), not \(6,\)"),
    ],
)
def test_face_refuses(changes, message):
    with pytest.raises(InputError, match=message):
        make_face(**changes)


def test_named_gives_landmarks_and_regions():
    face = make_face()
    for index, name in enumerate(FIVE.landmarks):
        assert face.named(name).tolist() == [face.points[index].tolist()]
    schema = get_schema("ibug68")
    face = Face([0, 0, 1, 1], np.arange(136).reshape(68, 2), np.ones(68), schema)
    for name, indices in schema.regions.items():
        assert face.named(name).tolist() == face.points[list(indices)].tolist()
    with pytest.raises(InputError, match="no landmark or region 'third eye'"):
        face.named("third eye")


def test_to_dict_is_json_with_pixels_to_a_thousandth():
    table = make_face().to_dict()
    assert json.loads(json.dumps(table, allow_nan=False)) == table
    assert table["box"] == [0.0, 0.0, 100.0, 120.0]
    assert table["points"][1] == [2.123, 3.123]
    assert table["scores"] == [0.1, 0.2, 0.3, 0.4, 1.0]
    assert table["score"] == 0.4


def test_to_dict_names_schema_and_model():
    assert (make_face().to_dict()["schema"], make_face().to_dict()["model"]) == ("five", None)
    assert make_face(model="tiny").to_dict()["model"] == "tiny"


def test_faces_are_equal_by_their_contents():
    assert make_face() == make_face()
    assert make_face(scores=np.full(5, np.nan)) == make_face(scores=np.full(5, np.nan))
    visibility = np.eye(3)[[0, 1, 2, 0, 0]]
    assert make_face(visibility=visibility) == make_face(visibility=visibility)
    others = [
        make_face(box=[0, 0, 100, 121]),
        make_face(points=np.zeros((5, 2))),
        make_face(scores=np.zeros(5)),
        make_face(schema=dataclasses.replace(FIVE, name="six")),
        make_face(visibility=visibility),
        make_face(model="tiny"),
        "a face",
    ]
    for other in others:
        assert make_face() != other
        assert other != make_face()


def test_faces_are_hashed_by_identity():
    first, second = make_face(), make_face()
    assert len({first, second}) == 2
    assert {first: "known"}[first] == "known"


def test_faces_pickle():
    face = make_face(visibility=np.eye(3)[[0, 1, 2, 0, 0]], model="tiny")
    again = pickle.loads(pickle.dumps(face))
    assert again == face
    assert again is not face
    assert copy.deepcopy(face) == face


def test_draw_gives_a_picture_of_its_own():
    image = np.zeros((140, 120, 3), np.uint8)
    drawn = make_face().draw(image)
    assert drawn.shape == image.shape
    assert drawn.any()
    assert not image.any()


def test_visibility_is_told_only_where_the_model_tells_it():
    plain, seeing = make_face(), make_face(visibility=np.eye(3)[[0, 1, 2, 0, 0]])
    assert plain.visibility is None
    assert "visibility" not in plain.to_dict()
    assert not plain.unseen.any()
    assert seeing.visibility.dtype == np.float32
    assert seeing.to_dict()["visibility"][1] == [0.0, 1.0, 0.0]
    assert seeing.unseen.tolist() == [False, True, True, False, False]
    with pytest.raises(InputError, match=r"Face.visibility must have shape \(5, 3\), not \(5,\)"):
        make_face(visibility=np.ones(5))


def test_landmarks_that_are_not_seen_are_drawn_as_rings():
    image = np.zeros((140, 120, 3), np.uint8)
    plain, seen = make_face(), make_face(visibility=np.eye(3)[[0] * 5])
    unseen = make_face(visibility=np.eye(3)[[0, 2, 0, 0, 0]])
    assert (plain.draw(image) == seen.draw(image)).all()
    assert (plain.draw(image) != unseen.draw(image)).any()


def test_a_found_faces_tight_box_is_that_of_its_landmarks():
    face = Face([0, 0, 50, 50], [[3, 9], [8, 2], [4, 4], [5, 6], [7, 7]], np.ones(5), FIVE)
    assert face.tight_box.tolist() == [3, 2, 8, 9]
    assert face.tight_box.dtype == np.float32
