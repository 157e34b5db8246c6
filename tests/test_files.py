import errno
import hashlib
import os
import stat
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

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


def test_a_link_is_followed(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "a.txt").write_text("old")
    for name, leads_to in (("a.txt", "disk/a.txt"), ("new.txt", "disk/new.txt")):
        (tmp_path / name).symlink_to(leads_to)
        write_text(tmp_path / name, "new")
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / leads_to).read_text() == "new"
    assert sorted(path.name for path in (tmp_path / "disk").iterdir()) == ["a.txt", "new.txt"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipes_and_devices_are_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "null").symlink_to("/dev/null")
    for path in (tmp_path / "pipe", tmp_path / "null"):
        with pytest.raises(InputError, match=r"cannot be written \(it is a pipe or device"):
            write_text(path, "new")
    assert not Path("/dev/null").is_file()


KILLED = """
import os, sys
from efficientfan.files import atomic_path
with atomic_path(sys.argv[1]) as temporary:
    temporary.write_text("half")
    print(temporary, flush=True)
    sys.stdin.readline()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no file locks there")
def test_what_a_killed_writer_left_is_removed_and_what_a_living_one_holds_is_not(tmp_path, monkeypatch):
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path / name)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("dead.txt", "alive.txt")
    ]
    dead, alive = (Path(writer.stdout.readline().strip()) for writer in writers)
    writers[0].kill()
    writers[0].communicate()
    for part in (dead, alive):
        os.utime(part, (0, 0))
    (tmp_path / ".part-fresh.txt").touch()  # perhaps about to be locked
    os.mkfifo(tmp_path / ".part-pipe.txt")  # to open it would wait for a writer
    os.utime(tmp_path / ".part-pipe.txt", (0, 0))
    monkeypatch.setattr("efficientfan.files._swept", set())
    write_text(tmp_path / "a.txt", "new")
    parts = {path.name for path in tmp_path.glob(".part-*")}
    assert parts == {alive.name, ".part-fresh.txt", ".part-pipe.txt"}
    writers[1].communicate("go on\n")
    assert (tmp_path / "alive.txt").read_text() == "half"
    write_text(tmp_path / "a.txt", "newer")


def test_durable_content_is_on_the_disk_before_it_replaces(tmp_path, monkeypatch):
    synced = []

    def sync(descriptor):
        synced.append((tmp_path / "a.txt").exists())
        fsync(descriptor)

    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", sync)
    write_bytes(tmp_path / "a.txt", b"new", durable=True)
    assert synced == [False, True]  # the file, then the folder's new name


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EIO])
def test_a_file_system_that_syncs_no_folders_is_written_to(tmp_path, monkeypatch, number):
    def sync(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", sync)
    told = pytest.raises(InputError, match="cannot be written") if number == errno.EIO else nullcontext()
    with told:
        write_bytes(tmp_path / "a.txt", b"new", durable=True)
    assert (tmp_path / "a.txt").read_bytes() == b"new"


def test_a_temporary_file_may_lie_elsewhere(tmp_path):
    path, scratch = tmp_path / "results" / "a.bin", tmp_path / "scratch"
    with atomic_path(path, durable=True, scratch=scratch) as temporary:
        temporary.write_bytes(b"new")
        assert temporary.parent == scratch
        assert list(path.parent.iterdir()) == []
    assert path.read_bytes() == b"new"
    assert list(scratch.iterdir()) == []
