import hashlib
import os
import stat

import pytest

from efficientfan.errors import InputError
from efficientfan.files import (
    atomic_path,
    read_json,
    read_text,
    sha256_of,
    write_bytes,
    write_json,
    write_text,
)


def test_written_files_hold_the_content_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "new" / "folder" / "a.txt"
    write_text(path, "größer\n")
    assert path.read_bytes() == "größer\n".encode()
    assert os.listdir(path.parent) == ["a.txt"]


def test_an_exception_leaves_the_old_file_and_no_temporary(tmp_path):
    path = tmp_path / "a.bin"
    write_bytes(path, b"old")

    def break_off():
        with atomic_path(path) as temporary:
            temporary.write_bytes(b"half of the n")
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        break_off()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_readers_meet_the_old_file_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "a.bin"
    write_bytes(path, b"old")
    with atomic_path(path) as temporary:
        temporary.write_bytes(b"new")
        assert path.read_bytes() == b"old"
        assert temporary.parent == path.parent
        assert temporary.suffix == ".bin"
    assert path.read_bytes() == b"new"


def test_results_are_readable_by_others_as_the_umask_allows(tmp_path):
    former = os.umask(0o027)
    try:
        write_text(tmp_path / "a.txt", "")
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(former)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o640


def test_a_folder_that_cannot_be_made_is_an_error_that_names_the_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file/a\.txt: cannot be written .*choose another place"):
        write_text(tmp_path / "file" / "a.txt", "")


@pytest.fixture
def forbidden_folder(tmp_path):
    """A folder that one may not write to; root may write anywhere, so for a while it is nobody."""
    tmp_path.chmod(0o500)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield tmp_path
    os.seteuid(user)
    tmp_path.chmod(0o700)


def test_a_folder_without_permission(forbidden_folder):
    with pytest.raises(InputError, match="Permission denied"):
        write_text(forbidden_folder / "a.txt", "")


def test_a_folder_in_the_place_of_the_file_stays_and_no_temporary_is_left(tmp_path):
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(InputError, match="Is a directory"):
        write_text(tmp_path / "a.txt", "")
    assert os.listdir(tmp_path) == ["a.txt"]


def test_json_round_trip(tmp_path):
    value = {"name": "ä", "values": [1, 2.5, None, True]}
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == value


def test_what_is_not_json_is_not_written(tmp_path):
    write_json(tmp_path / "a.json", 1)
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", float("nan"))
    assert read_json(tmp_path / "a.json") == 1
    assert os.listdir(tmp_path) == ["a.json"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "line 1: is not JSON"),
        (b'{\n"a": 1,\n]', "line 3: is not JSON"),
        (b"\xff\xfe1", "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_damaged_json(tmp_path, content, message):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.json: .*{message}"):
        read_json(path)


def test_missing_json(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_json(tmp_path / "a.json")


def test_text_is_read_without_its_mark(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbf\xc3\xa4\r\nb\n")
    assert read_text(path) == "ä\nb\n"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json(path) == {"a": 1}


def test_text_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(InputError, match=r"a\.txt: cannot be read \(No such file"):
        read_text(tmp_path / "a.txt")
    (tmp_path / "a.txt").write_bytes(b"\xe4")
    with pytest.raises(InputError, match=r"a\.txt: is not UTF-8 text"):
        read_text(tmp_path / "a.txt")


def test_sha256_of_a_file_longer_than_one_read(tmp_path):
    content = b"0123456789" * 150_000
    (tmp_path / "a").write_bytes(content)
    assert sha256_of(tmp_path / "a") == hashlib.sha256(content).hexdigest()
