"""Conversions: what goes out comes back, and what a format drops is said."""

import json

import numpy as np
import pytest
from PIL import Image
from tiny_datasets import MAKERS, make_300w, make_coco, make_wflw, photo, points_of

from efficientfan.data.catalog import get_dataset, load_dataset, resolve_schema
from efficientfan.data.convert import convert, losses
from efficientfan.data.readers import aflw
from efficientfan.errors import InputError
from efficientfan.imaging import read_rgb
from efficientfan.schema import get_schema
from efficientfan.structures import Annotation


@pytest.mark.parametrize("to", ["coco", "csv"])
@pytest.mark.parametrize("name", MAKERS)
def test_lossless_round_trip(name, to, tmp_path, monkeypatch):
    monkeypatch.setattr(aflw, "N_TRAIN", 2)
    tiny = MAKERS[name](tmp_path / "data")
    schema = resolve_schema(get_dataset(name), tiny.schema)
    faces = load_dataset(name, tiny.root, tiny.split, schema=schema, warn=False)
    out = tmp_path / "out" / f"faces.{'json' if to == 'coco' else 'csv'}"
    assert convert(faces, schema, to, out) == []
    again = load_dataset(to, out, "all", schema=schema)
    assert len(again) == len(faces)
    for old, new in zip(faces, again, strict=True):
        np.testing.assert_array_equal(new.points, old.points)
        np.testing.assert_array_equal(new.visibility, old.visibility)
        assert new.image.resolve() == old.image.resolve()
        assert (new.name, new.attributes) == (old.name, old.attributes)
        if old.box is None:
            assert new.box is None
        else:
            np.testing.assert_allclose(new.box, old.box, rtol=1e-14)


def test_pts_round_trip_and_its_losses(tmp_path):
    make_wflw(tmp_path / "data")
    faces = load_dataset("wflw", tmp_path / "data", "test", warn=False)
    said = convert(faces, get_schema("wflw98"), "pts", tmp_path / "out")
    assert said == [
        ".pts holds no boxes: 3 are lost",
        ".pts holds no attributes: blur, expression, illumination, makeup, occlusion, pose are lost",
    ]
    again = load_dataset("pts", tmp_path / "out", "all", schema="wflw98")
    assert [face.name for face in again] == ["0--Parade/a.jpg", "0--Parade/a_2.jpg", "1--Handshaking/b.jpg"]
    for old, new in zip(faces, again, strict=True):
        np.testing.assert_allclose(new.points, old.points, atol=5.1e-7)
        assert new.image.read_bytes() == old.image.read_bytes()


def test_covered_points_are_a_loss(tmp_path):
    face = Annotation(tmp_path / "a.png", points_of(5, 0), [1, 2, 2, 2, 2])
    assert losses([face], "pts") == [".pts holds no visibility: 1 faces with covered points lose the mark"]
    assert losses([face], "coco") == losses([face], "csv") == []


def test_pts_refuses_unlabeled_points_before_it_writes(tmp_path):
    make_coco(tmp_path / "data")
    faces = load_dataset("coco", tmp_path / "data", "train", schema="five")
    with pytest.raises(InputError, match=r"a.jpg#1: has unlabeled points, and .pts holds no gaps; use coco"):
        convert(faces, get_schema("five"), "pts", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_names_stay_inside_the_folder(tmp_path):
    image = photo(tmp_path / "a.png")
    names = ["../../up.png", "/etc/root.png", "a:b\0c.png", "..", "plain"]
    faces = [Annotation(image, points_of(5, i), np.full(5, 2), name=name) for i, name in enumerate(names)]
    convert(faces, get_schema("five"), "pts", tmp_path / "out")
    found = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.pts"))
    assert found == ["out/_.pts", "out/_/_/up.pts", "out/a_b_c.pts", "out/etc/root.pts", "out/plain.pts"]


def test_two_faces_of_one_file_name(tmp_path):
    image = photo(tmp_path / "a.png")
    faces = [Annotation(image, points_of(5, 0), np.full(5, 2), name=name) for name in ("a.png", "a.jpg")]
    with pytest.raises(InputError, match=r"a.jpg: shares the file name a with a.png"):
        convert(faces, get_schema("five"), "pts", tmp_path / "out")


def test_coco_file_is_what_others_expect(tmp_path):
    make_wflw(tmp_path / "data")
    faces = load_dataset("wflw", tmp_path / "data", "test", warn=False)
    convert(faces, get_schema("wflw98"), "coco", tmp_path / "out.json")
    table = json.loads((tmp_path / "out.json").read_text())
    assert [image["file_name"] for image in table["images"]] == [
        "data/WFLW_images/0--Parade/a.jpg",
        "data/WFLW_images/1--Handshaking/b.jpg",
    ]
    assert {(image["width"], image["height"]) for image in table["images"]} == {(64, 48)}
    face = table["annotations"][1]
    assert face["image_id"] == table["images"][0]["id"]
    assert face["bbox"] == [8, 7, 44, 34]
    assert (face["area"], face["num_keypoints"], len(face["keypoints"])) == (44 * 34, 98, 3 * 98)
    (category,) = table["categories"]
    assert len(category["keypoints"]) == 98
    assert min(min(edge) for edge in category["skeleton"]) >= 1


def test_coco_sizes_are_those_of_the_turned_photo(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (64, 48)).save(tmp_path / "a.jpg", exif=exif)
    face = Annotation(tmp_path / "a.jpg", points_of(5, 0), np.full(5, 2))
    convert([face], get_schema("five"), "coco", tmp_path / "out.json")
    image = json.loads((tmp_path / "out.json").read_text())["images"][0]
    assert (image["height"], image["width"]) == read_rgb(tmp_path / "a.jpg").shape[:2] == (64, 48)


def test_misuse(tmp_path):
    make_300w(tmp_path)
    faces = load_dataset("300w", tmp_path, "train", warn=False)
    schema = get_schema("ibug68")
    cases = [
        (faces, schema, "xml", tmp_path / "o.xml", r"cannot convert to 'xml'; formats are coco, csv, pts"),
        (faces, schema, "coco", tmp_path / "o", r"give a name that ends in .json"),
        (faces, schema, "csv", tmp_path / "o.json", r"give a name that ends in .csv"),
        (faces, schema, "pts", tmp_path, r"give a folder that is new or empty"),
        (faces, get_schema("five"), "csv", tmp_path / "o.csv", r"has 68 points, schema 'five' 5"),
        ([], schema, "csv", tmp_path / "o.csv", r"no faces to write"),
    ]
    for given, landmarks, to, out, message in cases:
        with pytest.raises(InputError, match=message):
            convert(given, landmarks, to, out)
