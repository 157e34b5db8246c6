"""One dialect: what `predict` writes as CSV is what training, evaluation and `--boxes` read."""

import csv
import logging
import os

import numpy as np
import pytest
from drawn_records import PHOTOS, SCHEMA, face, records, write
from PIL import Image

from efficientfan.data.catalog import load_dataset
from efficientfan.errors import InputError
from efficientfan.formats.csv_tables import read_csv_boxes, read_rows, table_schema, write_csv
from efficientfan.formats.records import Record
from efficientfan.schema import get_schema
from efficientfan.structures import OCCLUDED, UNLABELED, VISIBLE

LAST = SCHEMA.landmarks[67]
FIVE = get_schema("five")
OLD_HEADER = "image,x0,y0,x1,y1,x2,y2,x3,y3,x4,y4"


def rows_of(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def put(path, rows):
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read(path, schema=SCHEMA):
    return load_dataset("csv", path, "all", schema=schema)


@pytest.fixture
def table(tmp_path):
    """What `predict` writes of three photos that are there."""
    for photo in PHOTOS:
        (tmp_path / photo.path).parent.mkdir(exist_ok=True)
        Image.new("RGB", (160, 120)).save(tmp_path / photo.path)
    write(tmp_path / "o.csv", "csv", records())
    return tmp_path / "o.csv"


def test_there_is_a_row_for_each_face_and_each_photo_without_one(table):
    rows = rows_of(table)
    assert [(row["image"], row["face"]) for row in rows] == [
        ("in/a.jpg", "0"),
        ("in/a.jpg", "1"),
        ("in/b.jpg", ""),
        ("in/c.jpg", "0"),
    ]
    got = [float(rows[3][f"{LAST}_{kind}"]) for kind in ("x", "y", "v", "score")]
    assert np.allclose(got, [*face(2).points[67], VISIBLE, face(2).scores[67]], atol=5e-4)
    assert None not in rows[2].values()


def test_without_photos_there_is_a_header(tmp_path):
    write(tmp_path / "o.csv", "csv", [])
    assert (tmp_path / "o.csv").read_text().count("\n") == 1


def test_a_name_that_is_not_utf8_passes_through(tmp_path):
    record = Record("b\udcff.jpg", 1, 1, "tiny", SCHEMA, [])
    write(tmp_path / "o.csv", "csv", [record])
    assert b"b\xff.jpg" in (tmp_path / "o.csv").read_bytes()


NAMES = ["=1+1.jpg", "+a.jpg", "-a.jpg", "@a.jpg", "\ta.jpg", "./a.jpg", ".=a.jpg", "a,=1.jpg", '"=1.jpg']


def test_names_are_no_formulas_of_spreadsheets_and_come_back(tmp_path):
    write(tmp_path / "o.csv", "csv", [Record(name, 160, 120, "=1", SCHEMA, [face(0)]) for name in NAMES])
    cells = [text for row in rows_of(tmp_path / "o.csv") for text in (row["image"], row["model"])]
    assert not [text for text in cells if text[0] in "=+-@\t"]
    assert [row.image for row in read_rows(tmp_path / "o.csv", SCHEMA)] == NAMES
    assert list(read_csv_boxes(tmp_path / "o.csv")) == NAMES


@pytest.mark.skipif(os.name == "nt", reason="has no such file names")
def test_a_data_set_of_such_names_comes_back(tmp_path):
    for name in NAMES:
        Image.new("RGB", (160, 120)).save(tmp_path / name, "jpeg")
    write(tmp_path / "o.csv", "csv", [Record(name, 160, 120, "tiny", SCHEMA, [face(0)]) for name in NAMES])
    faces = read(tmp_path / "o.csv")
    write_csv(faces, SCHEMA, tmp_path / "again.csv")
    assert not [row["name"] for row in rows_of(tmp_path / "again.csv") if row["name"][0] in "=+-@\t"]
    assert [each.name for each in read(tmp_path / "again.csv")] == [each.name for each in faces] == NAMES


def test_a_carriage_return_in_a_name_begins_no_row(tmp_path):
    write(tmp_path / "o.csv", "csv", [Record("a\rb.jpg", 160, 120, "tiny", SCHEMA, [])])
    assert b'\n"a\rb.jpg",160,' in (tmp_path / "o.csv").read_bytes()


def test_what_predict_writes_is_a_data_set(table, caplog):
    faces = read(table)
    assert [each.name for each in faces] == ["in/a.jpg", "in/a.jpg#2", "in/c.jpg"]
    for annotation, seed in zip(faces, range(3), strict=True):
        np.testing.assert_allclose(annotation.points, face(seed).points, atol=5e-4)
        np.testing.assert_array_equal(annotation.box, face(seed).box)
        assert (annotation.visibility == VISIBLE).all()
        assert annotation.attributes == {}
    assert caplog.messages == []


def test_scores_are_read_where_every_landmark_has_one(table):
    rows = rows_of(table)
    rows[1][f"{LAST}_score"] = ""
    put(table, rows)
    first, second, nobody, third = read_rows(table, SCHEMA)
    np.testing.assert_allclose(first.scores, face(0).scores, atol=5e-5)
    np.testing.assert_allclose(third.scores, face(2).scores, atol=5e-5)
    assert second.scores is None
    assert nobody.points is nobody.visibility is nobody.box is None


def test_covered_and_unlabeled_points_are_marked_by_v(table):
    rows = rows_of(table)
    rows[0][f"{LAST}_v"] = "1"
    rows[1] |= {f"{LAST}_x": "", f"{LAST}_y": "", f"{LAST}_v": "0"}
    put(table, rows)
    first, second, _ = read(table)
    assert (first.visibility[67], second.visibility[67]) == (OCCLUDED, UNLABELED)
    assert np.isnan(second.points[67]).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "wflw98"}, "line 2: its schema is 'wflw98', not 'ibug68'"),
        ({f"{LAST}_x": ""}, rf"line 2: {LAST}_y is '[\d.]+' and {LAST}_x is empty; give both or none"),
        ({f"{LAST}_y": "abc"}, f"line 2: {LAST}_y: 'abc' is not a number"),
        ({"box_y0": "abc"}, "line 2: box_y0: 'abc' is not a number"),
        ({f"{LAST}_v": "0"}, f"line 2: {LAST}_v is '0'; expected 1 or 2, or 0 with {LAST}_x"),
        (
            {"image": "in/d.jpg"},
            r"line 2: annotation without image: no 'in/d\.jpg' in images/ or beside o\.csv",
        ),
        ({"box_x1": "1"}, r"line 2: box \[1\.25, 2\.0, 1\.0, 42\.5\] .* has no positive size"),
    ],
)
def test_a_damaged_row_is_named_by_its_line(table, change, message):
    rows = rows_of(table)
    assert set(change) <= set(rows[0])
    rows[0] |= change
    put(table, rows)
    with pytest.raises(InputError, match=message):
        read(table)


def test_a_table_of_photos_without_faces_is_refused(table):
    put(table, [row for row in rows_of(table) if not row["face"]])
    with pytest.raises(InputError, match="no row below its header has a face"):
        read(table)


def test_photos_are_found_from_the_current_folder(table, tmp_path, monkeypatch):
    elsewhere = tmp_path / "results" / "o.csv"
    elsewhere.parent.mkdir()
    table.rename(elsewhere)
    with pytest.raises(InputError, match="annotation without image"):
        read(elsewhere)
    monkeypatch.chdir(tmp_path)
    assert [each.image.resolve() for each in read(elsewhere)][2] == tmp_path / "in" / "c.jpg"


def test_an_absolute_path_must_lie_below_the_table(table, tmp_path):
    rows = [row | {"image": str(tmp_path / row["image"])} for row in rows_of(table)]
    put(table, rows)
    assert [each.name for each in read(table)] == ["in/a.jpg", "in/a.jpg#2", "in/c.jpg"]
    for outside in ("/etc/hostname", os.path.join(tmp_path, "..", "a.jpg")):
        put(table, [rows[0] | {"image": outside}])
        with pytest.raises(InputError, match="must be a path relative to the list file, or below it"):
            read(table)


def test_the_old_dialect_is_read_with_a_note(tmp_path, caplog):
    Image.new("RGB", (20, 20)).save(tmp_path / "a.png")
    path = tmp_path / "old.csv"
    path.write_text(f"{OLD_HEADER},v0,v1,v2,v3,v4\na.png,1,2,3,4,5,6,7,8,,,2,2,1,2,0\n")
    with caplog.at_level(logging.WARNING):
        (found,) = read(path, FIVE)
    assert found.points[:4].tolist() == [[1, 2], [3, 4], [5, 6], [7, 8]]
    assert found.visibility.tolist() == [VISIBLE, VISIBLE, OCCLUDED, VISIBLE, UNLABELED]
    (note,) = caplog.messages
    assert "old.csv: its columns x0, y0, ... are of an old dialect, in the order of schema 'five'" in note


def test_a_table_of_the_old_dialect_is_checked_as_closely(tmp_path):
    path = tmp_path / "old.csv"
    path.write_text("image,x0,y0,x1,y1\na.png,1,2,3,4\n")
    with pytest.raises(InputError, match=r"line 1: column 'x2' is missing \(6 in all\).*name their schema"):
        read(path, FIVE)


def test_of_thousands_of_columns_few_are_compared_with_a_missing_one(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr("difflib.get_close_matches", lambda word, names, **_: seen.append(len(names)))
    path = tmp_path / "wide.csv"
    path.write_text("image," + ",".join(f"column{number}" for number in range(20_000)) + "\n")
    with pytest.raises(InputError, match="line 1: column 'right_eye_center_x' is missing"):
        read(path, FIVE)
    assert seen == [1000]


def test_a_table_without_a_header(tmp_path):
    path = tmp_path / "empty.csv"
    path.write_text("\n")
    with pytest.raises(InputError, match=r"line 1: column 'image' is missing"):
        read(path, FIVE)


def test_the_schema_is_that_of_the_first_row(table):
    assert table_schema(table) == "ibug68"
    table.write_text("image,x0\n")
    assert table_schema(table) is None


def test_it_is_a_boxes_file(table):
    boxes = read_csv_boxes(table)
    assert [boxes[photo.path].shape for photo in PHOTOS] == [(2, 4), (0, 4), (1, 4)]
    assert boxes["in/c.jpg"].tolist() == [[1.25, 2, 31, 42.5]]


def test_boxes_of_the_old_dialect_are_not_its_first_two_landmarks(tmp_path):
    path = tmp_path / "old.csv"
    path.write_text(f"{OLD_HEADER},box_x0,box_y0,box_x1,box_y1\na.png,1,2,3,4,5,6,7,8,9,10,0,0,11,12\n")
    assert read_csv_boxes(path)["a.png"].tolist() == [[0, 0, 11, 12]]
