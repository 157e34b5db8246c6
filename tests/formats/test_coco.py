"""Face boxes read from small files written here, and what is written of found faces."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_records import SCHEMA, face, records
from drawn_records import write as write_records

from efficientfan.errors import InputError
from efficientfan.formats.coco_boxes import read_coco_boxes
from efficientfan.formats.records import Record
from efficientfan.imaging import write_image
from efficientfan.structures import BoxTrust


def write(root: Path, annotations: list[Any], images: list[Any] | None = None, split: str = "train") -> Path:
    write_image(root / split / "a.png", np.zeros((20, 30, 3), np.uint8))
    images = [{"id": 1, "file_name": "a.png", "width": 30, "height": 20}] if images is None else images
    (root / f"{split}.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    return root


def row(**more: Any) -> dict[str, Any]:
    return {"id": 1, "image_id": 1, "bbox": [2, 3, 10, 8], **more}


def test_a_persons_box_is_taken_as_it_is(tmp_path: Path) -> None:
    (scene,) = read_coco_boxes(write(tmp_path, [row()]), "train")
    np.testing.assert_array_equal(scene.boxes, [[2, 3, 12, 11]])
    assert scene.trust.tolist() == [BoxTrust.LABELED]
    assert scene.image == tmp_path / "train" / "a.png"


@pytest.mark.parametrize(("source", "trust"), [("wider", BoxTrust.LABELED), ("pseudo", BoxTrust.UNCHECKED)])
def test_boxes_from_the_hair_line_become_boxes_of_the_landmarks(
    tmp_path: Path, source: str, trust: BoxTrust
) -> None:
    (scene,) = read_coco_boxes(write(tmp_path, [row(source=source, bbox=[0, 0, 100, 200])]), "train")
    # The center moves down by 0.128 heights; width x 1.029, height x 0.77.
    np.testing.assert_allclose(scene.boxes, [[50 - 51.45, 125.6 - 77, 50 + 51.45, 125.6 + 77]])
    assert scene.trust.tolist() == [trust]


def test_ignored_boxes_may_be_nonsense(tmp_path: Path) -> None:
    rows = [row(iscrowd=1), row(id=2, iscrowd=1, bbox=[9, 9, -3, 4])]
    (scene,) = read_coco_boxes(write(tmp_path, rows), "train")
    assert scene.trust.tolist() == [BoxTrust.IGNORED]


def test_a_photo_without_a_face_stays(tmp_path: Path) -> None:
    (scene,) = read_coco_boxes(write(tmp_path, []), "train")
    assert scene.boxes.shape == (0, 4)


@pytest.mark.parametrize(
    ("annotations", "images", "message"),
    [
        ([row(bbox=[1, 2, 0, 4])], None, "annotation 1.*width > 0"),
        ([row(bbox=[1, 2, float("nan"), 4])], None, "annotation 1"),
        ([{"id": 1, "image_id": 1}], None, "annotation 1.*no 'bbox'"),
        ([row(image_id=7)], None, "image 7"),
        ([row(), row()], None, "id of its own"),
        ([], [], "holds no images"),
        ([], [{"id": 1}], "image 1 has no file_name"),
        ([], [{"id": 1, "file_name": "b.png"}], "no 'b.png'"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, annotations: Any, images: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        read_coco_boxes(write(tmp_path, annotations, images), "train")
    assert "train.json" in str(error.value)


def test_coco_marks_what_is_not_seen(tmp_path: Path) -> None:
    visibility = np.tile([0.8, 0.1, 0.1], (68, 1))
    visibility[3], visibility[9] = [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]
    seeing = dataclasses.replace(face(0), visibility=visibility)
    write_records(tmp_path / "o.json", "coco", [Record("in/a.jpg", 160, 120, "tiny", SCHEMA, [seeing])])
    [row] = json.loads((tmp_path / "o.json").read_text())["annotations"]
    assert [index for index, flag in enumerate(row["keypoints"][2::3]) if flag != 2] == [3, 9]
    assert row["keypoints"][2::3][3] == 1


def test_coco(tmp_path: Path) -> None:
    write_records(tmp_path / "o.json", "coco", records())
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
