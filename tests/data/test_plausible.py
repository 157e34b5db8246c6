"""What nearly all faces have in common is told from what one face may have; boxes against a detector's."""

from pathlib import Path

import numpy as np
import pytest
from tiny_datasets import photo

from efficientfan.data.check import CheckReport, check_dataset, check_split
from efficientfan.data.plausible import FEWEST, box_advice, exchanged, repeated
from efficientfan.errors import InputError
from efficientfan.geometry import box_of_points
from efficientfan.schema import LandmarkSchema, get_schema
from efficientfan.structures import Annotation

FIVE = get_schema("five")
PLAIN = LandmarkSchema.from_dict(
    {"name": "own", "landmarks": ["a", "b", "c"], "flip_pairs": [[0, 1]], "paths": []}
)
NAMED = LandmarkSchema.from_dict(
    {"name": "own", "landmarks": ["left_eye", "right_eye", "nose"], "flip_pairs": [[0, 1]]}
)


def faces(count=20, schema=FIVE, seed=0, roll=15):
    """Upright faces of the neutral layout, each rolled by up to `roll` degrees, 40 pixels wide."""
    random = np.random.default_rng(seed)
    layout = np.array(FIVE.layout) - 0.5
    found = []
    for number in range(count):
        angle = np.deg2rad(random.uniform(-roll, roll))
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        points = layout @ turn.T * 40 + random.uniform(25, 35, 2)
        if schema is not FIVE:
            points = points[[1, 0, 2]]
        found.append(of(points, f"{number}.png"))
    return found


def of(points, name):
    return Annotation(Path(name), points, np.full(len(points), 2), name=name)


def changed(found, change):
    return [of(change(face.points), face.name) for face in found]


@pytest.mark.parametrize("roll", [0, 15, 40])
def test_faces_as_they_are_have_nothing_in_common(roll):
    assert exchanged(faces(roll=roll), FIVE) == []


@pytest.mark.parametrize("schema", [FIVE, NAMED, PLAIN], ids=["layout", "names", "neither"])
def test_x_and_y_changed_places(schema):
    found = changed(faces(schema=schema), lambda points: points[:, ::-1])
    (text,) = exchanged(found, schema)
    assert "have x and y changed places?" in text


@pytest.mark.parametrize("schema", [FIVE, NAMED], ids=["layout", "names"])
def test_left_and_right_changed_places(schema):
    found = changed(faces(schema=schema), lambda points: points[schema.flip_indices])
    (text,) = exchanged(found, schema)
    assert "have left and right changed places?" in text


def test_one_pair_changed_places():
    order = [0, 1, 2, 4, 3]
    (text,) = exchanged(changed(faces(roll=40), lambda points: points[order]), FIVE)
    assert text == "right_mouth_corner and left_mouth_corner have changed places, against the other pairs"


@pytest.mark.parametrize(("odd", "found"), [(17, 0), (18, 1)])
def test_nine_of_ten_faces_are_nearly_all(odd, found):
    some = faces()
    some[:odd] = changed(some[:odd], lambda points: points[FIVE.flip_indices])
    assert len(exchanged(some, FIVE)) == found


def test_of_few_faces_and_without_pairs_nothing_is_said():
    turned = changed(faces(), lambda points: points[:, ::-1])
    assert exchanged(turned[: FEWEST - 1], FIVE) == []
    assert exchanged(turned[:FEWEST], FIVE) != []
    alone = LandmarkSchema.from_dict({"name": "own", "landmarks": list("abcde"), "flip_pairs": []})
    assert exchanged(turned, alone) == []


def test_unlabeled_points_take_no_part():
    found = changed(
        faces(), lambda points: np.where(np.arange(5)[:, None] == 0, np.nan, points[FIVE.flip_indices])
    )
    (text,) = exchanged(found, FIVE)
    assert "have left and right changed places?" in text


def test_the_same_face_twice():
    first, second = faces(2)
    again = of(first.points + 0.01, first.name)
    assert repeated([first, second]) == []
    assert repeated([first, second, again]) == ["0.png = 0.png"]


def test_shares_of_the_photo_are_no_pixels(tmp_path):
    image = photo(tmp_path / "a.png")
    shares = Annotation(image, np.array(FIVE.layout), np.full(5, 2), name="a")
    report = CheckReport("t")
    check_split(report, [shares] * FEWEST, {}, schema=FIVE)
    assert (
        "points are between 0 and 1; multiply them by the photo's width and height (5): a" in report.errors[0]
    )


def test_a_table_with_everything_at_once(tmp_path):
    """All faults of its rows are reported, beside what is wrong with the sound ones."""
    photo(tmp_path / "a.png")
    header = "image," + ",".join(f"{name}_{axis}" for name in FIVE.landmarks for axis in "xy")
    sound = "a.png,20,20,40,20,30,30,22,40,38,40"
    rows = [sound, sound, "a.png" + "," * 10, sound.replace("30,30", "abc,30"), sound.replace("30,30", "30,")]
    (tmp_path / "t.csv").write_text("\n".join([header, *rows, "a.png,1", *["gone.png" + sound[5:]] * 3]))
    (report,), read = check_dataset("csv", tmp_path / "t.csv", schema="five")
    lines = report.lines()
    assert lines[0] == (
        "csv all: 2 faces in 1 photos, 1 photos without a face (no official number): NOT fit to use"
    )
    assert len(read) == 2
    for text in (
        "line 5: nose_tip_x: 'abc' is not a number",
        "line 6: nose_tip_x is '30' and nose_tip_y is empty; give both or none",
        "line 7: expected 11 fields, found 2",
        "line 8: annotation without image",
        "line 10: annotation without image",
        "the same face twice (1): a.png#2 = a.png",
    ):
        assert sum(text in line for line in lines) == 1, text


def test_reading_ends_after_many_errors(tmp_path):
    header = "image," + ",".join(f"{name}_{axis}" for name in FIVE.landmarks for axis in "xy")
    (tmp_path / "t.csv").write_text("\n".join([header, *["a.png,1"] * 50]))
    (report,), _ = check_dataset("csv", tmp_path / "t.csv", schema="five")
    lines = report.lines()
    assert lines[0] == "csv all: no face could be read: NOT fit to use"
    assert len(lines) == 1 + 20 + 1
    assert lines[-1] == "  error: 20 entries are damaged; those behind them were not read"


@pytest.mark.parametrize(("factor", "advised"), [(1.0, False), (1.2, False), (1.5, True), (0.7, True)])
def test_boxes_against_a_detectors(tmp_path, factor, advised):
    image = photo(tmp_path / "a.png")
    labeled = [
        Annotation(image, face.points, face.visibility, name=face.name) for face in faces(FEWEST, roll=0)
    ]
    boxes = {id(face): box_of_points(face.points) for face in labeled}
    asked = iter(labeled)

    def find(pixels):
        x0, y0, x1, y1 = boxes[id(next(asked))]
        center, half = np.array([x0 + x1, y0 + y1]) / 2, np.array([x1 - x0, y1 - y0]) / 2 * factor
        return np.array([[0, 0, 1, 1], [*(center - half), *(center + half)]])

    text = box_advice(labeled, find)
    assert f"{factor:.2f} times as large" in text
    assert ("set data.boxes: supplied" in text) is advised


def test_boxes_cannot_be_compared_where_none_is_found(tmp_path):
    image = photo(tmp_path / "a.png")
    labeled = [Annotation(image, face.points, face.visibility) for face in faces(2)]
    with pytest.raises(InputError, match="finds none of 2 faces"):
        box_advice(labeled, lambda pixels: np.zeros((0, 4)))
