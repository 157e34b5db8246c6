"""Faces without landmarks, from small files written here."""

import json

import numpy as np
import pytest

from efficientfan.data.catalog import load_dataset
from efficientfan.data.check import check_dataset, face_sheet
from efficientfan.errors import InputError
from efficientfan.imaging import write_image
from efficientfan.schema import get_schema


def write(root, *annotations):
    for name in ("a", "b"):
        write_image(root / "wild" / f"{name}.png", np.zeros((20, 30, 3), np.uint8))
    images = [{"id": index, "file_name": f"{name}.png"} for index, name in enumerate("ab")]
    rows = [{"id": index, **row} for index, row in enumerate(annotations)]
    (root / "wild.json").write_text(json.dumps({"images": images, "annotations": rows}))


def test_every_box_that_is_not_ignored_is_a_face_with_nothing_labeled(tmp_path):
    write(
        tmp_path,
        {"image_id": 0, "bbox": [2, 3, 10, 8]},
        {"image_id": 1, "bbox": [2, 3, 10, 10], "source": "pseudo"},
        {"image_id": 1, "bbox": [12, 3, 5, 5]},
        {"image_id": 1, "bbox": [20, 3, 5, 5], "iscrowd": 1},
    )
    faces = load_dataset("faces", tmp_path, "wild", schema="ibug68")
    assert [face.name for face in faces] == ["a.png", "b.png#0", "b.png#1"]
    assert all(face.points.shape == (68, 2) and np.isnan(face.points).all() for face in faces)
    assert not any(face.visibility.any() for face in faces)
    np.testing.assert_allclose(faces[0].box, [2, 3, 12, 11])
    # A detector's box becomes one of the landmarks: lower, and less high.
    np.testing.assert_allclose(faces[1].box[1::2], [8 + 1.28 - 3.85, 8 + 1.28 + 3.85])


def test_no_face_at_all_is_an_error(tmp_path):
    write(tmp_path, {"image_id": 0, "bbox": [2, 3, 10, 8], "iscrowd": 1})
    with pytest.raises(InputError, match="split 'wild' holds no face"):
        load_dataset("faces", tmp_path, "wild", schema="ibug68")


def test_they_are_fit_to_use_and_can_be_looked_at(tmp_path):
    write(tmp_path, {"image_id": 0, "bbox": [2, 3, 10, 8]}, {"image_id": 1, "bbox": [2, 3, 10, 10]})
    (report,), faces = check_dataset("faces", tmp_path, ["wild"], schema="ibug68")
    assert report.errors == []
    assert report.faces == 2
    assert face_sheet(faces, get_schema("ibug68")).ndim == 3
