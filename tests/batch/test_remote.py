"""Photos of URLs: which there are, what reading them says, when it tries again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from tiny_model import disc_photo

from efficientfan.batch import find_remote_photos, is_url, read_photo
from efficientfan.errors import InputError
from efficientfan.imaging import write_image

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def bucket(tmp_path) -> Iterator[Any]:
    """memory://bucket with photos at two depths, a text and a broken photo."""
    system = fsspec.filesystem("memory")
    write_image(tmp_path / "a.png", disc_photo((40, 60, 15)))
    photo = (tmp_path / "a.png").read_bytes()
    for name, content in {
        "b.png": photo,
        "a.PNG": photo,
        "notes.txt": b"no photo",
        "deep/c.png": photo,
        "deep/broken.jpg": b"nothing",
    }.items():
        system.pipe_file(f"/bucket/{name}", content)
    yield system
    system.rm("/bucket", recursive=True)


def test_what_is_a_url() -> None:
    assert all(map(is_url, ("s3://b/k", "gs://b", "http://h/a.jpg", "memory://x")))
    assert not any(map(is_url, ("photos/", "/a/b.jpg", "C:/a.jpg", "C:\\a.jpg", "odd:name.jpg")))


def test_folders_patterns_and_photos(bucket: Any) -> None:
    def names(url: str, **options: bool) -> list[str]:
        return [photo.path for photo in find_remote_photos(url, **options)]

    assert names("memory://bucket") == ["memory:///bucket/a.PNG", "memory:///bucket/b.png"]
    assert [path.rpartition("bucket/")[2] for path in names("memory://bucket", recursive=True)] == [
        "a.PNG",
        "b.png",
        "deep/broken.jpg",
        "deep/c.png",
    ]
    assert [path.rpartition("bucket/")[2] for path in names("memory://bucket/*.png")] == ["b.png"]
    assert names("memory://bucket/deep/c.png") == ["memory://bucket/deep/c.png"]
    for path in names("memory://bucket"):
        assert read_photo(path, max_pixels=10**6).ndim == 3


def test_reading_is_as_of_a_file(bucket: Any, tmp_path) -> None:
    found = read_photo("memory://bucket/b.png", max_pixels=10**6)
    np.testing.assert_array_equal(found, read_photo(str(tmp_path / "a.png"), max_pixels=10**6))
    with pytest.raises(InputError, match=r"^memory://bucket/deep/broken.jpg: image: is not an image"):
        read_photo("memory://bucket/deep/broken.jpg", max_pixels=10**6)
    with pytest.raises(InputError, match=r"^memory://bucket/b.png: .*pixels"):
        read_photo("memory://bucket/b.png", max_pixels=10)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("memory://bucket/none", r"no photos there|no such file or folder"),
        ("memory://bucket/*.gif", "no photos there"),
        ("nosuch://bucket", "cannot be read .*nosuch"),
    ],
)
def test_nothing_there(bucket: Any, url: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        find_remote_photos(url)


def failing(monkeypatch: pytest.MonkeyPatch, bucket: Any, errors: list[Exception]) -> None:
    """Reading raises these errors, one after the other, before it works."""
    cat_file = type(bucket).cat_file

    def fail(self: Any, *arguments: Any, **options: Any) -> bytes:
        if errors:
            raise errors.pop(0)
        return bytes(cat_file(self, *arguments, **options))

    monkeypatch.setattr(type(bucket), "cat_file", fail)


def test_a_network_that_stumbles_is_tried_again(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    failing(monkeypatch, bucket, [OSError("reset"), TimeoutError("slow")])
    assert read_photo("memory://bucket/b.png", max_pixels=10**6, pause=pauses.append).ndim == 3
    assert pauses == [2, 4]
    failing(monkeypatch, bucket, [OSError("reset")] * 3)
    with pytest.raises(InputError, match=r"b.png: cannot be read \(reset\)"):
        read_photo("memory://bucket/b.png", max_pixels=10**6, pause=pauses.append)
    assert len(pauses) == 4


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PermissionError("Access Denied"), r"no access \(Access Denied\)"),
        (FileNotFoundError(), "no such file"),
    ],
)
def test_what_will_not_change_is_said_at_once(
    bucket: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    failing(monkeypatch, bucket, [error])
    with pytest.raises(InputError, match=message):
        read_photo("memory://bucket/b.png", max_pixels=10**6, pause=lambda _: pytest.fail("waited"))
