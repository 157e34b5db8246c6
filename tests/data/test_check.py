"""`data check`: each fault a data set can have, alone, is found and weighed as documented."""

import dataclasses
import shutil

import numpy as np
import pytest
from tiny_datasets import make_300w, make_coco, photo, points_of, pts_text

from efficientfan.data.catalog import DATASETS, load_dataset
from efficientfan.data.check import CheckReport, check_dataset, check_split, face_sheet
from efficientfan.errors import InputError
from efficientfan.schema import get_schema
from efficientfan.structures import Annotation


@pytest.fixture
def official_four(monkeypatch):
    """The tiny 300-W has four training faces; let that be the official count."""
    row = DATASETS["300w"]
    monkeypatch.setitem(DATASETS, "300w", dataclasses.replace(row, splits={**row.splits, "train": 4}))


def check(root, **options):
    (report,), faces = check_dataset("300w", root, ["train"], **options)
    return report, faces


def checked(faces):
    report = CheckReport("t")
    check_split(report, faces, {})
    return report


@pytest.mark.usefixtures("official_four")
def test_a_sound_data_set(tmp_path):
    make_300w(tmp_path)
    report, faces = check(tmp_path)
    assert report.lines() == ["300w train: 4 faces in 4 photos (official 4): fit to use"]
    assert len(faces) == 4


def test_a_part_must_be_allowed(tmp_path):
    make_300w(tmp_path)
    report, _ = check(tmp_path)
    assert not report.fit
    assert report.errors == ["4 is not the official count 3148; --allow-partial accepts a part"]
    report, _ = check(tmp_path, allow_partial=True)
    assert report.fit
    assert report.warnings == ["4 is not the official count 3148"]


@pytest.mark.usefixtures("official_four")
def test_a_photo_that_does_not_open(tmp_path):
    make_300w(tmp_path)
    (tmp_path / "afw/1_1.jpg").write_bytes((tmp_path / "afw/1_1.jpg").read_bytes()[:300])
    report, _ = check(tmp_path)
    assert len(report.errors) == 1
    assert report.errors[0].startswith("unreadable photo (1): ")
    assert "afw/1_1.jpg" in report.errors[0]


@pytest.mark.usefixtures("official_four")
def test_what_the_reader_refuses_is_a_finding(tmp_path):
    make_300w(tmp_path)
    (tmp_path / "afw/1_1.jpg").unlink()
    report, faces = check(tmp_path, allow_partial=True)
    assert not report.fit
    assert "afw/1_1.pts: annotation without image" in report.errors[0]
    assert faces == []


@pytest.mark.usefixtures("official_four")
def test_duplicate_photos_are_reported(tmp_path):
    make_300w(tmp_path)
    shutil.copy(tmp_path / "lfpw/trainset/image_0001.png", tmp_path / "lfpw/trainset/image_0002.png")
    report, _ = check(tmp_path)
    assert report.fit
    assert len(report.warnings) == 1
    assert "duplicate photo (1): " in report.warnings[0]
    assert "image_0002.png = " in report.warnings[0]


def test_duplicates_between_train_and_test_are_reported(tmp_path):
    make_300w(tmp_path)
    for folder in ("helen/testset", "lfpw/testset"):
        photo(tmp_path / folder / "x.png", seed=len(folder))
        (tmp_path / folder / "x.pts").write_text(pts_text(points_of(68, 0)))
    shutil.copy(tmp_path / "lfpw/trainset/image_0001.png", tmp_path / "lfpw/testset/x.png")
    (train, common), _ = check_dataset("300w", tmp_path, ["train", "common"], allow_partial=True)
    assert not any("duplicate" in text for text in train.warnings)
    assert any("testset/x.png = " in text and "trainset/image_0001.png" in text for text in common.warnings)


def faces_of(image, count, odd, points, box=None):
    """`count` faces of which `odd` have these points and box; they all lie in one place."""
    good = points_of(68, 0)
    visible = np.full(68, 2)
    return [
        Annotation(image, points if i < odd else good, visible, box if i < odd else None, name=str(i))
        for i in range(count)
    ]


@pytest.mark.parametrize(("odd", "fit"), [(2, True), (3, False)])
def test_points_far_outside_weigh_by_their_share(tmp_path, odd, fit):
    image = photo(tmp_path / "a.png")
    report = checked(faces_of(image, 200, odd, points_of(68, 0) + 40))
    assert report.fit is fit
    findings = [text for text in (report.warnings if fit else report.errors) if "face twice" not in text]
    assert findings == [f"points far outside the photo ({odd}): {'; '.join(str(i) for i in range(odd))}"]


@pytest.mark.parametrize(("shift", "found"), [(26, False), (34, True)])
def test_a_point_beyond_half_a_face_is_far(tmp_path, shift, found):
    """The face is 40 wide and ends at x = 50; the photo's edge is at 63.5, half a face beyond is 83.5."""
    image = photo(tmp_path / "a.png")
    points = points_of(68, 0)
    points = points - points.max(axis=0) + [50, 40]
    width = np.ptp(points[:, 0])
    assert 39.5 < width < 40.5
    report = checked(faces_of(image, 1, 1, points + np.array([shift, 0])))
    assert report.fit is not found


@pytest.mark.parametrize(("odd", "fit"), [(1, True), (2, False)])
def test_boxes_that_miss_their_face(tmp_path, odd, fit):
    image = photo(tmp_path / "a.png")
    report = checked(faces_of(image, 100, odd, points_of(68, 0), box=[55, 40, 60, 45]))
    assert report.fit is fit
    assert "the box misses the points" in (report.warnings if fit else report.errors)[0]


def test_faces_without_points_are_unfit(tmp_path):
    image = photo(tmp_path / "a.png")
    report = checked([Annotation(image, np.full((5, 2), np.nan), np.zeros(5), name="bare")])
    assert report.errors == ["fewer than two labeled points (1): bare"]


@pytest.mark.parametrize("axis", [0, 1])
def test_faces_whose_points_span_no_area_are_unfit(tmp_path, axis):
    """All points in one row, column or place: neither a crop nor an error can be made of them."""
    make_300w(tmp_path)
    faces = load_dataset("300w", tmp_path, "train", warn=False)
    points = faces[1].points.copy()
    points[:, axis] = 5
    faces[1] = dataclasses.replace(faces[1], points=points)
    assert checked(faces).errors == [f"the points span no area (1): {faces[1].name}"]


def test_misuse_is_an_error_not_a_finding(tmp_path):
    with pytest.raises(InputError, match="unknown data set"):
        check_dataset("300x", tmp_path)
    with pytest.raises(InputError, match="no split 'test'"):
        check_dataset("300w", tmp_path, ["test"])
    with pytest.raises(InputError, match="no such file or folder"):
        check_dataset("300w", tmp_path / "none")


def test_all_splits_by_default(tmp_path):
    make_300w(tmp_path)
    reports, _ = check_dataset("300w", tmp_path)
    assert [report.title.split()[1] for report in reports] == list(DATASETS["300w"].splits)
    assert "no folder 'ibug'" in reports[2].errors[0]


def test_sheet_shows_every_face_once(tmp_path):
    tiny = make_coco(tmp_path)
    faces = load_dataset("coco", tiny.root, "train", schema="five")
    one = face_sheet(faces[:1], get_schema("five"))
    three = face_sheet(faces, get_schema("five"))
    assert three.shape[0] == one.shape[0]
    assert three.shape[1] > 2.9 * one.shape[1]
    with pytest.raises(InputError, match="nothing to draw"):
        face_sheet([], get_schema("five"))
