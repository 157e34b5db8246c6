"""Drawing: the right pixels change, the caller's never do, and odd input is survived or refused."""

import numpy as np
import pytest
import skimage.data

from efficientfan.draw import (
    contact_sheet,
    draw_faces,
    draw_index_picture,
    draw_points,
    region_colors,
    shorten,
    text_size,
)
from efficientfan.errors import InputError
from efficientfan.schema import LandmarkSchema, get_schema, list_schemas
from efficientfan.structures import Face

GRAY = np.full((240, 320, 3), 128, np.uint8)


def layout_points(
    name: str = "ibug68", size: float = 200, offset: tuple[float, float] = (60, 20)
) -> np.ndarray:
    return np.array(get_schema(name).layout) * size + offset


def a_face(name: str = "ibug68", **place) -> Face:
    points = layout_points(name, **place)
    box = [*points.min(axis=0) - 10, *points.max(axis=0) + 10]
    return Face(box, points, np.ones(len(points)), get_schema(name))


def changed(picture: np.ndarray, before: np.ndarray = GRAY) -> np.ndarray:
    return (picture != before).any(axis=2)


def test_the_callers_image_is_left_alone():
    image = GRAY.copy()
    image.flags.writeable = False
    assert changed(draw_faces(image, [a_face()])).any()
    assert (image == GRAY).all()


def test_no_faces_is_an_unchanged_copy():
    picture = draw_faces(GRAY, [])
    assert picture is not GRAY
    assert (picture == GRAY).all()


def test_each_landmark_is_drawn_in_its_regions_color():
    face = a_face()
    picture = draw_faces(GRAY, [face], boxes=False, paths=False)
    jaw = list(get_schema("ibug68").regions["jaw"])
    x, y = np.round(face.points[jaw]).astype(int).T
    expected = np.array(region_colors(get_schema("ibug68")))[jaw]
    assert np.abs(picture[y, x].astype(int) - expected).max() <= 40  # the rest is the disc's soft edge


def test_dots_sit_on_their_sub_pixel_place():
    """The centroid of what a dot changed is where the landmark is."""
    schema = LandmarkSchema.from_dict({"name": "one", "landmarks": ["a", "b"], "flip_pairs": []})
    for x, y in [(100.0, 60.0), (100.25, 60.5), (100.75, 59.6875)]:
        black = np.zeros((240, 320, 3), np.uint8)
        picture = draw_points(black, [[x, y], [x + 150, y]], schema)[:, :200].sum(axis=2).astype(float)
        rows, columns = np.indices(picture.shape)
        centroid = (columns * picture).sum() / picture.sum(), (rows * picture).sum() / picture.sum()
        assert np.abs(np.subtract(centroid, (x, y))).max() < 0.1


def test_layers_can_be_left_out():
    face = a_face()
    layers = {"boxes": True, "points": True, "paths": True}
    full = changed(draw_faces(GRAY, [face])).sum()
    for layer in layers:
        one = changed(draw_faces(GRAY, [face], **{name: name == layer for name in layers}))
        assert 0 < one.sum() < full
    nothing = draw_faces(GRAY, [face], boxes=False, points=False, paths=False)
    assert (nothing == GRAY).all()


def test_the_box_is_where_the_face_says():
    face = a_face()
    rows, columns = np.nonzero(changed(draw_faces(GRAY, [face], points=False, paths=False)))
    found = np.array([columns.min(), rows.min(), columns.max(), rows.max()])
    assert np.abs(found - face.box).max() <= 2


@pytest.mark.parametrize("size", [330, 1100])
def test_dots_grow_with_the_face(size):
    """Their radius is 1/110 of the face, the dark rim adds a pixel, and the soft edge at most another."""
    canvas = np.full((60, 1200, 3), 128, np.uint8)
    schema = LandmarkSchema.from_dict({"name": "two", "landmarks": ["a", "b"], "flip_pairs": []})
    picture = draw_points(canvas, [[30, 30], [30 + size, 30]], schema)
    width = changed(picture, canvas)[30, :60].sum()
    radius = size // 110 + 1
    assert 2 * radius + 1 <= width <= 2 * (radius + 1) + 1


def test_faces_of_different_schemas_on_a_real_photo():
    photo = skimage.data.astronaut()
    faces = [a_face("wflw98", size=150, offset=(150, 50)), a_face("five", size=100, offset=(10, 300))]
    touched = changed(draw_faces(photo, faces), photo)
    for face in faces:
        x0, y0, x1, y1 = np.round(face.box).astype(int)
        assert touched[y0 : y1 + 1, x0 : x1 + 1].any()
        touched[y0 - 3 : y1 + 4, x0 - 3 : x1 + 4] = False
    assert not touched.any()


@pytest.mark.parametrize("offset", [(-5000, 20), (1e9, -1e9), (300, 230)])
def test_faces_partly_or_wholly_outside(offset):
    assert draw_faces(GRAY, [a_face(offset=offset)]).shape == GRAY.shape


def test_not_finite_points_are_left_out():
    points = layout_points()
    points[40:] = np.nan
    points[3] = (np.inf, 5)
    picture = draw_points(GRAY, points, get_schema("ibug68"))
    assert changed(picture).any()
    assert (draw_points(GRAY, np.full((68, 2), np.nan), get_schema("ibug68")) == GRAY).all()


def test_visibility_leaves_out_and_hollows():
    schema, points = get_schema("five"), layout_points("five")
    visible = draw_points(GRAY, points, schema, [2, 2, 2, 2, 2])
    mixed = draw_points(GRAY, points, schema, [0, 1, 2, 2, 2])
    assert (visible == draw_points(GRAY, points, schema)).all()
    (x0, y0), (x1, y1) = np.round(points[:2]).astype(int)
    assert (mixed[y0, x0] == GRAY[0, 0]).all()
    assert (mixed[y1, x1] == GRAY[0, 0]).all()  # the middle of a ring
    assert changed(mixed[y1 - 6 : y1 + 7, x1 - 6 : x1 + 7], GRAY[:13, :13]).any()


def test_indices_are_written():
    schema, points = get_schema("five"), layout_points("five")
    without, with_numbers = (draw_points(GRAY, points, schema, indices=flag) for flag in (False, True))
    assert changed(with_numbers, without).sum() > 5 * 20


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)), [[1]], None]
)
def test_only_rgb_is_drawn_on(image):
    with pytest.raises(InputError, match="H x W x 3 uint8 RGB"):
        draw_faces(image, [])


def test_wrong_numbers_of_points_and_flags():
    schema = get_schema("five")
    with pytest.raises(InputError, match=r"five points have shape \(5, 2\), not \(4, 2\)"):
        draw_points(GRAY, np.zeros((4, 2)), schema)
    with pytest.raises(InputError, match=r"five visibility has shape \(5,\), not \(4,\)"):
        draw_points(GRAY, np.zeros((5, 2)), schema, np.zeros(4))


@pytest.mark.parametrize("name", list_schemas())
def test_mirrored_regions_share_a_color_and_others_do_not(name):
    schema = get_schema(name)
    colors = region_colors(schema)
    assert [colors[i] for i in schema.flip_indices] == colors
    families = {region.removeprefix("left_").removeprefix("right_") for region in schema.regions}
    assert len(set(colors)) == len(families)


@pytest.mark.parametrize("name", list_schemas())
def test_index_picture_has_every_dot(name):
    schema = get_schema(name)
    picture = draw_index_picture(schema, size=700)
    assert picture.shape == (700, 700, 3)
    x, y = np.round(np.array(schema.layout) * 699).astype(int).T
    assert (picture[y, x].min(axis=1) < 160).all()  # ink, not paper (246)


def test_index_picture_of_given_points_fits_them():
    points = np.array(get_schema("five").layout) * 40 + 1000
    picture = draw_index_picture(get_schema("five"), points, size=500)
    ink = changed(picture, np.broadcast_to(picture[0, 0], picture.shape))[30:470]  # without the words
    columns = np.flatnonzero(ink.any(axis=0))
    middle, half = 499 / 2, 499 * 0.82 / 2
    share = np.ptp(points[:, 0]) / np.ptp(points[:, 1])  # its height is the longer side
    assert abs(columns.min() - (middle - half * share)) <= 4


def test_index_picture_without_a_layout():
    schema = LandmarkSchema.from_dict({"name": "bare", "landmarks": ["a", "b"], "flip_pairs": []})
    with pytest.raises(InputError, match="'bare' has no 'layout'"):
        draw_index_picture(schema)
    with pytest.raises(InputError, match="nothing to draw"):
        draw_index_picture(schema, np.full((2, 2), np.nan))
    assert draw_index_picture(schema, [[3, 3], [3, 3]]).shape == (900, 900, 3)


def test_index_picture_too_small():
    with pytest.raises(InputError, match="at least 100 pixels"):
        draw_index_picture(get_schema("five"), size=20)


def test_contact_sheet_puts_each_picture_into_its_cell():
    colors = [(250, 0, 0), (0, 250, 0), (0, 0, 250)]
    shapes = [(10, 10), (40, 20), (300, 900)]
    images = [np.full((*shape, 3), color, np.uint8) for shape, color in zip(shapes, colors, strict=True)]
    sheet = contact_sheet(images, 2, cell=(100, 60))
    assert sheet.shape == (2 * 64 + 4, 2 * 104 + 4, 3)
    sizes = []
    for color in colors:
        rows, columns = np.nonzero((sheet == color).all(axis=2))
        sizes.append((np.ptp(columns) + 1, np.ptp(rows) + 1))
    assert sizes == [(60, 60), (30, 60), (100, 33)]  # whole, in their own proportions
    assert sheet[34, 54].tolist() == [250, 0, 0]
    assert sheet[34, 158].tolist() == [0, 250, 0]
    assert sheet[98, 54].tolist() == [0, 0, 250]


def test_contact_sheet_captions():
    images = [GRAY, GRAY]
    plain, titled = contact_sheet(images, 2, cell=80), contact_sheet(images, 2, ["ä.jpg", "x" * 99], cell=80)
    assert titled.shape[0] == plain.shape[0] + 22
    bar = titled[4 + 80 : 4 + 80 + 22]
    ink = (bar != bar[0, 0]).any(axis=(0, 2))
    assert ink[4:84].any()
    assert ink[88:168].any()
    assert not ink[84:88].any()  # the long one does not run into its neighbor
    assert not ink[168:].any()


def test_contact_sheet_is_no_wider_than_its_pictures():
    assert contact_sheet([GRAY], 5, cell=50).shape == (58, 58, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], 2), "at least one picture"),
        (([GRAY], 0), "columns and cell must be positive"),
        (([GRAY], 1, ["a", "b"]), "2 captions for 1 pictures"),
        (([GRAY], 1, None, 0), "columns and cell must be positive"),
    ],
)
def test_contact_sheet_misuse(arguments, message):
    with pytest.raises(InputError, match=message):
        contact_sheet(*arguments)


def test_shortened_text_fits():
    assert shorten("short", 0.42, 500) == "short"
    cut = shorten("a_rather_long_file_name.jpg", 0.42, 90)
    assert cut.startswith("a_rather")
    assert cut.endswith("..")
    assert text_size(cut, 0.42)[0] <= 90
