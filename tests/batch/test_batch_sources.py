"""Lists of photos, and the parts of several machines."""

import pytest

from efficientfan.batch import Part, listed_photos, results_folder, unique_photos
from efficientfan.errors import InputError
from efficientfan.predict.photos import Photo


@pytest.mark.parametrize(
    "content",
    [
        b"a.jpg\nsub/b c.jpg\n",
        b"a.jpg\nsub/b c.jpg",
        b"\xef\xbb\xbfa.jpg\r\nsub/b c.jpg\r\n",
        b"\n\na.jpg\n\nsub/b c.jpg\n  \n",
        b"a.jpg\0sub/b c.jpg\0",
    ],
)
def test_a_list_is_lines_or_divided_by_zeros(content):
    assert listed_photos(content, "list") == [Photo("a.jpg", "a.jpg"), Photo("sub/b c.jpg", "b c.jpg")]


def test_names_that_are_no_text_or_hold_line_breaks():
    assert [photo.path for photo in listed_photos(b"\xff.jpg\n# no comment.jpg", "list")] == [
        "\udcff.jpg",
        "# no comment.jpg",
    ]
    assert [photo.path for photo in listed_photos(b"a\nb.jpg\0c.jpg\0", "list")] == ["a\nb.jpg", "c.jpg"]


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\0\0"])
def test_an_empty_list_is_said(content):
    with pytest.raises(InputError, match="list: lists no photos"):
        listed_photos(content, "list")


def test_utf_16_is_said():
    with pytest.raises(InputError, match="UTF-16"):
        listed_photos("a.jpg".encode("utf-16"), "list")


def test_a_path_that_comes_twice_is_taken_once():
    paths = ["b.jpg", "./b.jpg", "a.jpg", "b.jpg", "sub/../a.jpg", "c.jpg"]
    kept = unique_photos(Photo(path, path) for path in paths)
    assert [photo.path for photo in kept] == ["b.jpg", "a.jpg", "c.jpg"]


def test_parts_hold_every_photo_once_and_about_equally_many():
    photos = [Photo(f"{number}.jpg", "") for number in range(1600)]
    parts = [[photo for photo in photos if Part(number, 16).holds(photo)] for number in range(1, 17)]
    assert {photo.path for part in parts for photo in part} == {photo.path for photo in photos}
    assert sum(map(len, parts)) == len(photos)
    assert all(60 < len(part) < 140 for part in parts)


def test_a_photo_is_of_one_part_however_it_is_spelled():
    numbers = {
        number
        for number in range(1, 1001)
        for path in ("sub/a.jpg", "./sub/a.jpg", "sub//a.jpg")
        if Part(number, 1000).holds(Photo(path, ""))
    }
    assert len(numbers) == 1


@pytest.mark.parametrize("text", ["", "3", "0/4", "5/4", "1/0", "a/b", "1/2/3", "-1/4", "1 / 4"])
def test_what_is_no_part(text):
    with pytest.raises(InputError, match="--shard is a part such as 3/16"):
        Part.parse(text)


def test_each_part_has_a_folder_of_its_own(tmp_path):
    assert results_folder(tmp_path, None) == tmp_path
    assert results_folder(tmp_path, Part(3, 16)) == tmp_path / "part-03-of-16"


def test_another_division_into_the_same_folder_is_refused(tmp_path):
    (tmp_path / "part-03-of-16" / "_run").mkdir(parents=True)
    assert results_folder(tmp_path, Part(4, 16)) == tmp_path / "part-04-of-16"
    for part in (None, Part(3, 8)):
        with pytest.raises(InputError, match="runs with --shard N/16"):
            results_folder(tmp_path, part)


def test_a_part_into_the_folder_of_a_whole_run_is_refused(tmp_path):
    (tmp_path / "_run").mkdir()
    with pytest.raises(InputError, match="a run without --shard"):
        results_folder(tmp_path, Part(1, 2))
