import os

import pytest

from efficientfan.errors import InputError
from efficientfan.predict.photos import Photo, find_photos, result_paths


@pytest.fixture
def folder(tmp_path):
    for name in (
        "b.JPG",
        "a.png",
        "notes.txt",
        ".hidden.jpg",
        "deep/c.webp",
        ".git/d.jpg",
        "deep/deeper/e.jpg",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return tmp_path


def names(photos):
    return [photo.name for photo in photos]


def test_a_folder_gives_its_photos_sorted(folder):
    assert names(find_photos([folder])) == ["a.png", "b.JPG"]
    assert find_photos([folder])[0].path == str(folder / "a.png")
    assert names(find_photos([folder], recursive=True)) == [
        "a.png",
        "b.JPG",
        os.path.join("deep", "c.webp"),
        os.path.join("deep", "deeper", "e.jpg"),
    ]


def test_files_and_globs_in_the_order_given(folder):
    assert names(find_photos([folder / "b.JPG", f"{folder}/*.png", folder / "notes.txt"])) == [
        "b.JPG",
        "a.png",
        "notes.txt",
    ]
    assert names(find_photos([f"{folder}/**/*.jpg"], recursive=True)) == ["e.jpg"]


def test_a_name_with_brackets_is_a_file_first(folder):
    (folder / "[1].jpg").write_bytes(b"")
    assert names(find_photos([folder / "[1].jpg"])) == ["[1].jpg"]


@pytest.mark.parametrize("source", ["none.jpg", "*.gif", "deep/deep*", ""])
def test_a_source_without_photos_is_misuse(folder, source):
    with pytest.raises(InputError, match="no such file, folder or match"):
        find_photos([folder / "a.png", f"{folder}/{source}" if source else ""])


def test_an_empty_folder_is_misuse(tmp_path):
    with pytest.raises(InputError, match=r"holds no photos .*--recursive"):
        find_photos([tmp_path])


def test_results_keep_the_folders_of_their_photos(tmp_path):
    photos = [Photo("in/a.JPEG", "a.JPEG"), Photo("in/x/a.tif", "x/a.tif"), Photo("in/a.JPEG", "a.JPEG")]
    assert result_paths(photos, tmp_path, {".jpeg": ".jpg"}, ".png") == {
        "in/a.JPEG": tmp_path / "a.jpg",
        "in/x/a.tif": tmp_path / "x" / "a.png",
    }


def test_two_photos_with_one_result_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"a\.pts: would be written for both 1/a\.jpg and 2/a\.jpg"):
        result_paths([Photo("1/a.jpg", "a.jpg"), Photo("2/a.jpg", "a.jpg")], tmp_path, {}, ".pts")


def test_a_photo_is_never_replaced(folder):
    with pytest.raises(InputError, match="is the photo itself"):
        result_paths(find_photos([folder / "a.png"]), folder, {}, ".png")
