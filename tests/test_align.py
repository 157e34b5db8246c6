import dataclasses

import numpy as np
import pytest
from turned_heads import face_of, turned_head

from efficientfan.align import ARCFACE, TEMPLATES, align_transform, crop_faces, similarity
from efficientfan.errors import InputError
from efficientfan.schema import convert_points, get_schema
from efficientfan.structures import Face

FIVE = get_schema("five")
PLACES = np.array(ARCFACE)


def moved(points, degrees=0.0, scale=1.0, shift=(0.0, 0.0)):
    """Points turned counter-clockwise on the screen, enlarged and moved."""
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return np.asarray(points) @ turn.T * scale + shift


def photo(seed=0, height=240, width=320):
    """A smooth random RGB photo, whose pixels tell where they are from."""
    rows, columns = np.mgrid[:height, :width]
    red, green = columns * 255 / width, rows * 255 / height
    return np.stack([red, green, np.full_like(red, 40 + seed)], axis=-1).round().astype(np.uint8)


def test_the_similarity_is_found_again():
    source = np.random.default_rng(0).normal(size=(7, 2))
    target = moved(source, 130, 2.5, (3, -8))
    matrix = similarity(source, target)
    assert source @ matrix[:, :2].T + matrix[:, 2] == pytest.approx(target)
    assert np.linalg.det(matrix[:, :2]) == pytest.approx(2.5**2)


def test_the_similarity_is_the_least_squares_solution():
    rng = np.random.default_rng(1)
    source, target = rng.normal(size=(5, 2)), rng.normal(size=(5, 2))
    rows = [
        [[x, -y, 1, 0], [y, x, 0, 1]] for x, y in source
    ]  # of a, b, tx, ty in x' = ax - by + tx, y' = bx + ay + ty
    (a, b, tx, ty), *_ = np.linalg.lstsq(np.reshape(rows, (-1, 4)), target.ravel(), rcond=None)
    assert similarity(source, target) == pytest.approx(np.array([[a, -b, tx], [b, a, ty]]))


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        (np.zeros((3, 2)), np.zeros((3, 2)), "must not coincide"),
        (np.zeros((3, 2)), np.zeros((4, 2)), "same shape"),
        (np.zeros((3, 3)), np.zeros((3, 3)), "same shape"),
        ([[0, 0], [np.nan, 1]], [[0, 0], [1, 1]], "finite"),
    ],
)
def test_no_similarity(source, target, message):
    with pytest.raises(InputError, match=message):
        similarity(source, target)


@pytest.mark.parametrize("size", [112, 224, 50])
def test_arcface_brings_the_five_points_to_their_places(size):
    face = face_of(moved(PLACES, 70, 1.7, (90, 60)), "five")
    found = align_transform(face, size).apply(face.points)
    assert (found + 0.5) / size == pytest.approx((PLACES + 0.5) / 112, abs=1e-5)


def test_arcface_leaves_a_crop_that_is_aligned_already():
    image = photo(height=112, width=112)
    assert (crop_faces(image, [face_of(PLACES, "five")])[0] == image).all()


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_margin_shows_more_around_the_same_middle(template):
    face = turned_head(20, 5, 15)
    tight, wide = (align_transform(face, 100, template, margin).apply(face.points) for margin in (0.0, 0.5))
    assert (wide - 49.5) * 1.5 == pytest.approx(tight - 49.5)


@pytest.mark.parametrize("template", ["arcface", "ffhq", "upright"])
@pytest.mark.parametrize("degrees", [30, -100, 180])
def test_aligned_crops_do_not_turn_with_the_photo(template, degrees):
    face = turned_head(20, 5, 0)
    turned = dataclasses.replace(face, points=moved(face.points, degrees, 1.3, (10, 20)))
    first, second = (align_transform(each, 128, template).apply(each.points) for each in (face, turned))
    assert second == pytest.approx(first, abs=0.01)


def test_box_keeps_the_roll_and_encloses_all_landmarks():
    face = turned_head(20, 5, 40)
    transform = align_transform(face, 64, "box")
    assert transform.matrix[0, 1] == transform.matrix[1, 0] == 0
    points = transform.apply(face.points)
    assert np.ptp(points, axis=0).max() == pytest.approx(64, rel=1e-5)
    assert points.min() == pytest.approx(-0.5, abs=1e-3)
    assert (points.min(axis=0) + points.max(axis=0)) / 2 == pytest.approx([31.5, 31.5], abs=1e-3)


def test_upright_puts_the_mouth_below_the_eyes_and_encloses_all_landmarks():
    face = turned_head(0, 0, 130)
    points = align_transform(face, 64, "upright").apply(face.points)
    five = convert_points(points, "ibug68", "five")
    assert five[3:].mean(axis=0)[0] == pytest.approx(five[:2].mean(axis=0)[0], abs=1e-3)
    assert five[3:, 1].min() > five[:2, 1].max()
    assert np.ptp(points, axis=0).max() == pytest.approx(64, rel=1e-5)


def test_ffhq_is_the_published_square():
    face = turned_head(25, 10, -20)
    right, left, _, *mouth = convert_points(face.points, "ibug68", "five")
    across, up = left - right, (right + left) / 2 - (mouth[0] + mouth[1]) / 2
    center = (right + left) / 2 - 0.1 * up
    side = max(4.0 * np.hypot(*across), 3.6 * np.hypot(*up))
    x = across - [up[1], -up[0]]  # x' - Rotate90(y'), the eyes' direction and that square to the way up
    x = x / np.hypot(*x) * side / 2
    y = np.array([-x[1], x[0]])
    corners = align_transform(face, 256, "ffhq").apply([center - x - y, center + x - y, center + x + y])
    assert corners == pytest.approx(np.array([[-0.5, -0.5], [255.5, -0.5], [255.5, 255.5]]), abs=1e-6)


def test_crops_show_what_their_transforms_say():
    image = photo()
    faces = [
        face_of(moved(PLACES, 40, 1.5, (60, 120)), "five"),
        face_of(moved(PLACES, 0, 0.8, (90, 60)), "five"),
    ]
    crops = crop_faces(image, faces, size=96)
    assert (crops.shape, crops.dtype) == ((2, 96, 96, 3), np.uint8)
    for crop, face in zip(crops, faces, strict=True):
        x, y = align_transform(face, 96).inverse([48, 48])
        assert crop[48, 48] == pytest.approx([x * 255 / 320, y * 255 / 240, 40], abs=2)


def test_a_face_aligns_itself():
    image, face = photo(), turned_head(10, 5, 20)
    for template in TEMPLATES:
        crop = face.align(image, 80, template, 0.2)
        assert crop.shape == (80, 80, 3)
        assert (crop == crop_faces(image, [face], size=80, template=template, margin=0.2)[0]).all()


def test_beyond_the_photo_is_black():
    face = face_of(moved(PLACES, 0, 1, (-60, 0)), "five")
    crop = face.align(np.full((112, 112, 3), 200, np.uint8))
    assert (crop[:, :50] == 0).all()
    assert (crop[:, 70:] == 200).all()


def test_no_faces_are_no_crops():
    assert crop_faces(photo(), [], size=32).shape == (0, 32, 32, 3)


def test_a_path_is_an_image(tmp_path):
    from efficientfan.imaging import write_image

    write_image(tmp_path / "a.png", photo())
    face = face_of(PLACES, "five")
    assert (face.align(tmp_path / "a.png") == face.align(photo())).all()


def test_landmarks_without_a_place_do_not_count_for_the_square():
    face = turned_head(0, 0, 20)
    some = np.array(face.points)
    some[[20, 40]] = np.nan  # within the outline
    some[41] = np.inf
    partly = dataclasses.replace(face, points=some)
    assert align_transform(partly, 64, "box").matrix == pytest.approx(align_transform(face, 64, "box").matrix)
    with pytest.raises(InputError, match="at least two labeled points"):
        align_transform(face_of(np.full((68, 2), np.nan)), 64, "box")


def users_face():
    schema = dataclasses.replace(FIVE, name="mine", landmarks=("a", "b", "c", "d", "e"), regions={})
    return Face([0, 0, 1, 1], PLACES, np.ones(5), schema)


def test_a_schema_without_the_five_points_has_its_box():
    assert users_face().align(photo(), 32, "box").shape == (32, 32, 3)
    with pytest.raises(InputError, match="no conversion mine -> five"):
        users_face().align(photo(), 32)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"template": "arcfase"}, "unknown template 'arcfase'; did you mean 'arcface'?"),
        ({"size": 0}, "1 to 8192 pixels"),
        ({"size": 8193}, "1 to 8192 pixels"),
        ({"margin": float("inf")}, "finite margin"),
        ({"margin": -1.0}, "margin above -1"),
        ({"margin": float("nan")}, "margin above -1"),
    ],
)
def test_crops_that_cannot_be(arguments, message):
    with pytest.raises(InputError, match=message):
        crop_faces(photo(), [face_of(PLACES, "five")], **arguments)


@pytest.mark.parametrize("template", ["arcface", "ffhq", "upright"])
@pytest.mark.parametrize(
    ("points", "message"), [(np.full((5, 2), 3.0), "coincide"), (np.full((5, 2), np.nan), "has no place")]
)
def test_faces_without_extent_or_place(template, points, message):
    with pytest.raises(InputError, match=message):
        align_transform(face_of(points, "five"), 112, template)
