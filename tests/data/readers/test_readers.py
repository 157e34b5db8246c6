"""Every reader on a tiny copy of its layout: exact points, frames, flags, boxes, names."""

import sys

import h5py
import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat
from tiny_datasets import MAKERS, make_300w, make_aflw, make_cofw, pixels, points_of, pts_text

from efficientfan.data.catalog import DATASETS, load_dataset
from efficientfan.data.readers import aflw
from efficientfan.errors import InputError, MissingDependencyError
from efficientfan.formats.pts import read_pts, write_pts
from efficientfan.imaging import read_rgb
from efficientfan.structures import OCCLUDED, UNLABELED, VISIBLE


@pytest.fixture(autouse=True)
def small_aflw(monkeypatch):
    monkeypatch.setattr(aflw, "N_TRAIN", 2)


@pytest.fixture
def load(tmp_path):
    def load(name):
        tiny = MAKERS[name](tmp_path)
        return load_dataset(tiny.name, tiny.root, tiny.split, schema=tiny.schema, warn=False)

    return load


def test_every_data_set_has_a_tiny_copy():
    # aflw68 is read as coco; faces have no landmarks, test_faces.py reads them.
    assert set(MAKERS) == set(DATASETS) - {"aflw68", "faces"}


@pytest.mark.parametrize("name", MAKERS)
def test_points_names_and_photos(name, tmp_path):
    tiny = MAKERS[name](tmp_path)
    faces = load_dataset(tiny.name, tiny.root, tiny.split, schema=tiny.schema, warn=False)
    assert len(faces) == len(tiny.points)
    for face, points in zip(faces, tiny.points, strict=True):
        np.testing.assert_allclose(face.points, points, atol=1e-9)
        assert (face.visibility == UNLABELED).tolist() == np.isnan(points[:, 0]).tolist()
        assert read_rgb(face.image).shape == (48, 64, 3)
        assert str(tmp_path) not in face.name
    assert len({face.name for face in faces}) == len(faces)


@pytest.mark.parametrize("name", ["wflw", "aflw", "coco", "csv"])
def test_boxes_become_xyxy(name, load):
    np.testing.assert_array_equal(load(name)[0].box, [8, 7, 52, 41])


@pytest.mark.parametrize("name", ["cofw", "cofw68"])
def test_matlab_boxes_become_zero_based_xyxy(name, load):
    np.testing.assert_array_equal(load(name)[0].box, [10, 9, 40, 29])


def test_300w_splits_and_subsets(tmp_path):
    for folder in ("helen/testset", "lfpw/testset", "ibug", "300W/01_Indoor", "300W/02_Outdoor"):
        (tmp_path / folder).mkdir(parents=True)
        Image.fromarray(pixels(0)).save(tmp_path / folder / "x.png")
        (tmp_path / folder / "x.pts").write_text(pts_text(points_of(68, 0)))
    found = {
        split: [face.attributes["subset"] for face in load_dataset("300w", tmp_path, split, warn=False)]
        for split in ("common", "challenging", "full", "private")
    }
    assert found == {
        "common": ["common", "common"],
        "challenging": ["challenging"],
        "full": ["common", "common", "challenging"],
        "private": ["indoor", "outdoor"],
    }
    (tmp_path / "300W" / "01_Indoor").rename(tmp_path / "01_Indoor")
    (tmp_path / "300W" / "02_Outdoor").rename(tmp_path / "02_Outdoor")
    (tmp_path / "300W").rmdir()
    assert len(load_dataset("300w", tmp_path, "private", warn=False)) == 2


def test_wflw_attributes_and_photos_of_many_faces(load):
    faces = load("wflw")
    assert [face.name for face in faces] == ["0--Parade/a.jpg", "0--Parade/a.jpg#2", "1--Handshaking/b.jpg"]
    assert [[key for key, value in face.attributes.items() if value] for face in faces] == [
        ["pose"],
        ["expression"],
        ["illumination"],
    ]


def test_cofw_occlusion_and_colors(load):
    faces = load("cofw")
    assert (faces[1].visibility == OCCLUDED).nonzero()[0].tolist() == [0, 1, 2, 3, 4]
    assert (faces[0].visibility == VISIBLE).all()
    assert faces[1].attributes["occluded"] == pytest.approx(5 / 29, abs=1e-4)
    np.testing.assert_array_equal(read_rgb(faces[1].image), pixels(1))
    np.testing.assert_array_equal(read_rgb(faces[0].image)[..., 2], pixels(0)[..., 0])


def test_cofw_photos_are_unpacked_once(tmp_path):
    make_cofw(tmp_path)
    face = load_dataset("cofw", tmp_path, "train", warn=False)[0]
    before = face.image.stat().st_mtime_ns
    load_dataset("cofw", tmp_path, "train", warn=False)
    assert face.image.stat().st_mtime_ns == before


def test_aflw_order_mask_and_frontal(tmp_path):
    make_aflw(tmp_path)
    names = {
        split: [face.name for face in load_dataset("aflw", tmp_path, split, warn=False)]
        for split in ("train", "full", "frontal")
    }
    assert names["train"] == ["2/image00004.jpg", "0/image00000.jpg"]
    assert names["full"] == ["0/image00003.jpg", "2/image00001.jpg", "3/image00002.jpg"]
    assert names["frontal"] == ["2/image00001.jpg", "3/image00002.jpg"]
    hidden = load_dataset("aflw", tmp_path, "full", warn=False)[0]
    assert (hidden.visibility == OCCLUDED).nonzero()[0].tolist() == [4]


def test_300wlp_3d_points(tmp_path):
    tiny = MAKERS["300wlp"](tmp_path)
    faces = load_dataset("300wlp", tmp_path, "train3d", warn=False)
    np.testing.assert_allclose(faces[2].points, tiny.points[2] + 2)


def test_coco_flags_names_and_attributes(load):
    faces = load("coco")
    assert [face.name for face in faces] == ["a.jpg#0", "a.jpg#1", "b/c.png"]
    assert faces[0].attributes == {"pose": "frontal", "blur": True}
    assert faces[2].visibility.tolist() == [1, 2, 2, 2, 2]


def test_coco_root_may_be_the_file(tmp_path):
    tiny = MAKERS["coco"](tmp_path)
    assert len(load_dataset("coco", tiny.labels[0], "all", schema="five")) == 3


def test_csv_attributes(load):
    faces = load("csv")
    assert faces[0].attributes == {"pose": "left"}
    assert faces[1].attributes == {}
    assert faces[1].box is None


def test_pts_is_one_based_on_disk(tmp_path):
    (tmp_path / "a.pts").write_text("version: 1\nn_points: 2\n{\n1 1\n11.5 3\n}\n")
    assert read_pts(tmp_path / "a.pts").tolist() == [[0, 0], [10.5, 2]]


@pytest.mark.parametrize("text", ["1 1\n11.5 3\n", "1 , 1\n11.5 , 3", "1,1\r\n11.5,3\r\n"])
def test_bare_pts(tmp_path, text):
    (tmp_path / "a.pts").write_bytes(text.encode())
    assert read_pts(tmp_path / "a.pts", 2).tolist() == [[0, 0], [10.5, 2]]


def test_pts_round_trip(tmp_path):
    points = np.random.default_rng(0).normal(50, 60, (68, 2))
    write_pts(tmp_path / "a.pts", points)
    np.testing.assert_allclose(read_pts(tmp_path / "a.pts", 68), points, atol=5.1e-7)


def test_pts_refuses_gaps(tmp_path):
    with pytest.raises(InputError, match=r"landmark 1 is not labeled.*COCO and CSV"):
        write_pts(tmp_path / "a.pts", [[1, 2], [np.nan, 3]])
    assert not list(tmp_path.iterdir())


def test_a_count_off_the_official_one_is_logged(tmp_path, caplog):
    make_300w(tmp_path)
    load_dataset("300w", tmp_path, "train")
    assert "4 faces, the official number is 3148" in caplog.text


def test_wrong_matlab_versions(tmp_path):
    savemat(tmp_path / "COFW_train_color.mat", {"IsTr": np.zeros(3)})
    with pytest.raises(InputError, match=r"COFW_train_color.mat: is not a readable MATLAB v7.3"):
        load_dataset("cofw", tmp_path, "train")
    with h5py.File(tmp_path / "AFLWinfo_release.mat", "w", userblock_size=512) as file:
        file["data"] = np.zeros(3)
    header = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
    content = (tmp_path / "AFLWinfo_release.mat").read_bytes()
    (tmp_path / "AFLWinfo_release.mat").write_bytes(header + content[128:])
    with pytest.raises(InputError, match=r"AFLWinfo_release.mat: is MATLAB v7.3, expected v5"):
        load_dataset("aflw", tmp_path, "train")


def test_cofw_without_h5py_says_what_to_install(tmp_path, monkeypatch):
    make_cofw(tmp_path)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'efficientfan\[data\]'"):
        load_dataset("cofw", tmp_path, "train")
