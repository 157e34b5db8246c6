"""What is written as CSV."""

import csv

import numpy as np
from drawn_records import PHOTOS, SCHEMA, face, records, write

from efficientfan.formats.records import Record
from efficientfan.predict.given_boxes import read_boxes


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


def test_a_name_that_is_not_utf8_passes_through(tmp_path):
    record = Record("b\udcff.jpg", 1, 1, "tiny", SCHEMA, [])
    write(tmp_path / "o.csv", "csv", [record])
    assert b"b\xff.jpg" in (tmp_path / "o.csv").read_bytes()
