import csv
import dataclasses
import json

import numpy as np
import pytest

from efficientfan.errors import InputError
from efficientfan.predict.given_boxes import read_boxes
from efficientfan.predict.output import FORMATS, Record, choose_format, open_output
from efficientfan.predict.photos import Photo
from efficientfan.schema import get_schema
from efficientfan.structures import Face

SCHEMA = get_schema("ibug68")
PHOTOS = [Photo("in/a.jpg", "a.jpg"), Photo("in/b.jpg", "b.jpg"), Photo("in/c.jpg", "c.jpg")]


def face(seed):
    rng = np.random.default_rng(seed)
    return Face([1.25, 2, 31, 42.5], rng.uniform(0, 40, (68, 2)), rng.uniform(size=68), SCHEMA)


def records():
    faces = [[face(0), face(1)], [], [face(2)]]
    return [Record(p.path, 160, 120, "tiny", SCHEMA, found) for p, found in zip(PHOTOS, faces, strict=True)]


def write(out, format_name, rows):
    with open_output(out, format_name, SCHEMA, PHOTOS) as writer:
        for record in rows:
            writer.add(record)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_json_and_jsonl_hold_the_same_objects(tmp_path, count):
    rows = records()[:count]
    write(tmp_path / "o.json", "json", rows)
    write(tmp_path / "o.jsonl", "jsonl", rows)
    as_list = json.loads((tmp_path / "o.json").read_text())
    assert as_list == [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert as_list == [record.to_dict() for record in rows]


def test_a_record_names_everything():
    table = records()[0].to_dict()
    assert list(table) == ["image", "width", "height", "model", "schema", "faces"]
    assert (table["image"], table["width"], table["height"]) == ("in/a.jpg", 160, 120)
    assert (table["model"], table["schema"]) == ("tiny", "ibug68")
    first = table["faces"][0]
    assert set(first) == {"box", "score", "points", "scores"}
    assert np.allclose(first["points"], face(0).points, atol=5e-4)
    assert first["box"] == [1.25, 2, 31, 42.5]


def test_csv_has_a_row_a_face_and_can_be_read_as_boxes(tmp_path):
    write(tmp_path / "o.csv", "csv", records())
    rows = list(csv.DictReader((tmp_path / "o.csv").read_text().splitlines()))
    assert [(row["image"], row["face"]) for row in rows] == [
        ("in/a.jpg", "0"),
        ("in/a.jpg", "1"),
        ("in/b.jpg", ""),
        ("in/c.jpg", "0"),
    ]
    name = SCHEMA.landmarks[67]
    got = [float(rows[3][f"{name}_{kind}"]) for kind in ("x", "y", "score")]
    assert np.allclose(got, [*face(2).points[67], face(2).scores[67]], atol=5e-4)
    assert None not in rows[2].values()
    boxes = read_boxes(tmp_path / "o.csv")
    assert [boxes[photo.path].shape for photo in PHOTOS] == [(2, 4), (0, 4), (1, 4)]


def test_csv_without_photos_is_a_header(tmp_path):
    write(tmp_path / "o.csv", "csv", [])
    assert (tmp_path / "o.csv").read_text().count("\n") == 1


def test_pts_count_from_one(tmp_path):
    write(tmp_path / "o", "pts", records())
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == ["a.pts", "a_face2.pts", "c.pts"]
    lines = (tmp_path / "o" / "a_face2.pts").read_text().splitlines()
    assert lines[:3] == ["version: 1", "n_points: 68", "{"]
    assert lines[-1] == "}"
    assert np.allclose(np.loadtxt(lines[3:-1]) - 1, face(1).points, atol=5e-4)


@pytest.mark.parametrize("name", ["a_face2.png", "a_face10.jpg"])
def test_a_photo_that_is_called_as_another_ones_further_face_is_refused(tmp_path, name):
    photos = [Photo(f"in/{name}", name), Photo("in/a.jpg", "a.jpg")]
    with (
        pytest.raises(InputError, match=rf"in/{name} and for a further face of in/a\.jpg;"),
        open_output(tmp_path / "o", "pts", SCHEMA, photos),
    ):
        pytest.fail("the work began")


@pytest.mark.parametrize("name", ["a_face1.jpg", "a_face02.jpg", "b_face2.jpg", "sub/a_face2.jpg"])
def test_other_names_with_numbers_are_no_further_faces(tmp_path, name):
    photos = [Photo("in/a.jpg", "a.jpg"), Photo(f"in/{name}", name)]
    record = Record("in/a.jpg", 160, 120, "tiny", SCHEMA, [face(0)])
    with open_output(tmp_path / "o", "pts", SCHEMA, photos) as writer:
        writer.add(record)
    assert [path.name for path in (tmp_path / "o").iterdir()] == ["a.pts"]


def test_coco_marks_what_is_not_seen(tmp_path):
    visibility = np.tile([0.8, 0.1, 0.1], (68, 1))
    visibility[3], visibility[9] = [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]
    seeing = dataclasses.replace(face(0), visibility=visibility)
    write(tmp_path / "o.json", "coco", [Record("in/a.jpg", 160, 120, "tiny", SCHEMA, [seeing])])
    [row] = json.loads((tmp_path / "o.json").read_text())["annotations"]
    assert [index for index, flag in enumerate(row["keypoints"][2::3]) if flag != 2] == [3, 9]
    assert row["keypoints"][2::3][3] == 1


def test_coco(tmp_path):
    write(tmp_path / "o.json", "coco", records())
    table = json.loads((tmp_path / "o.json").read_text())
    assert [image["file_name"] for image in table["images"]] == ["in/a.jpg", "in/b.jpg", "in/c.jpg"]
    assert [row["image_id"] for row in table["annotations"]] == [1, 1, 3]
    row = table["annotations"][2]
    assert row["bbox"] == [1.25, 2, 29.75, 40.5]
    assert np.allclose(np.reshape(row["keypoints"], (68, 3))[:, :2], face(2).points, atol=5e-4)
    assert set(row["keypoints"][2::3]) == {2}
    category = table["categories"][0]
    assert category["keypoints"] == list(SCHEMA.landmarks)
    assert np.min(category["skeleton"]) == 1


@pytest.mark.parametrize("format_name", ["jsonl", "json", "csv", "coco"])
def test_nothing_half_written_stays(tmp_path, format_name):
    out = tmp_path / f"o{FORMATS[format_name]}"
    out.write_text("before")

    def broken():
        yield records()[0]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write(out, format_name, broken())
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    assert out.read_text() == "before"


def test_rows_are_written_as_they_come(tmp_path):
    """Only COCO collects: the temporary file of the others grows with each photo."""
    for format_name in ("jsonl", "json", "csv"):
        with open_output(tmp_path / f"o{FORMATS[format_name]}", format_name, SCHEMA, PHOTOS) as writer:
            [temporary] = tmp_path.glob(".part-*")
            for _ in range(20):
                writer.add(records()[0])
            assert temporary.stat().st_size > 10_000


@pytest.mark.parametrize("format_name", ["jsonl", "pts"])
def test_a_place_that_cannot_be_written_is_said_at_once(tmp_path, format_name):
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / f"o{FORMATS[format_name]}"
    with (
        pytest.raises(InputError, match="cannot be"),
        open_output(out, format_name, SCHEMA, PHOTOS),
    ):
        pytest.fail("the work began")


def test_a_folder_is_not_a_file(tmp_path):
    (tmp_path / "o.json").mkdir()
    with (
        pytest.raises(InputError, match="is a folder"),
        open_output(tmp_path / "o.json", "json", SCHEMA, PHOTOS),
    ):
        pytest.fail("the work began")


def test_a_name_that_is_not_utf8_passes_through(tmp_path):
    record = Record("b\udcff.jpg", 1, 1, "tiny", SCHEMA, [])
    write(tmp_path / "o.csv", "csv", [record])
    assert b"b\xff.jpg" in (tmp_path / "o.csv").read_bytes()


@pytest.mark.parametrize(
    ("out", "chosen", "expected"),
    [
        (None, None, "jsonl"),
        (None, "csv", "csv"),
        ("o.jsonl", None, "jsonl"),
        ("o.JSON", None, "json"),
        ("o.json", "coco", "coco"),
        ("o.csv", None, "csv"),
        ("o", None, "pts"),
        ("o", "pts", "pts"),
    ],
)
def test_the_suffix_chooses_the_format(tmp_path, out, chosen, expected):
    assert choose_format(out and tmp_path / out, chosen) == expected


@pytest.mark.parametrize(
    ("out", "chosen", "message"),
    [
        ("o.xml", None, "unknown suffix"),
        ("o.csv", "json", "format 'json' writes a .json file"),
        ("o.json", "pts", "format 'pts' writes a folder"),
        ("o.json", "yaml", "unknown format 'yaml'"),
        (None, "pts", "format 'pts' needs --out"),
        (None, "coco", "format 'coco' needs --out"),
    ],
)
def test_formats_that_do_not_fit_are_refused(tmp_path, out, chosen, message):
    with pytest.raises(InputError, match=message):
        choose_format(out and tmp_path / out, chosen)
