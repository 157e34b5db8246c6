"""A folder of shards: what is whole, what is removed, and who may use it."""

import errno
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from efficientfan.batch import PhotoEntry, RunInfo, ShardFolder, ShardPage, Stamp, WeightsInfo
from efficientfan.errors import InputError

INFO = RunInfo(
    WeightsInfo("tiny", "0" * 64), WeightsInfo("whole", None), {"min_score": None, "format": "jsonl"}
)
PHOTOS = (PhotoEntry("a.jpg", Stamp(12, 34), False), PhotoEntry("\udcff.jpg", None, True))


@pytest.fixture
def folder(tmp_path):
    """With two shards of two photos each."""
    folder = ShardFolder(tmp_path / "results", "jsonl")
    folder.claim(INFO, resume=False)
    for number in range(2):
        folder.commit(number, b"{}\n{}\n", PHOTOS)
    return folder


def whole(folder):
    return [page.number for page in ShardFolder(folder.path, folder.suffix).pages()]


def test_a_page_says_what_its_shard_was_made_of(folder):
    page = ShardPage.read(folder.page(1))
    assert (page.number, page.n_bytes, page.photos) == (1, 6, PHOTOS)


def test_a_folder_holds_shards_and_its_notes_and_nothing_else(folder):
    assert sorted(path.name for path in folder.path.iterdir()) == [
        "_run",
        "faces-000000.jsonl",
        "faces-000001.jsonl",
    ]


@pytest.mark.parametrize("content", [b"{}\n", b"", b"{}\n[]\n", None])
def test_a_shard_that_is_cut_changed_or_gone_is_not_whole(folder, content):
    if content is None:
        folder.shard(0).unlink()
    else:
        folder.shard(0).write_bytes(content)
    assert [page.number for page in folder.pages()] == [1]
    assert "faces-000000.jsonl" in folder.complaints[0]
    assert "done again" in folder.complaints[0]
    assert not folder.shard(0).exists()
    assert whole(folder) == [1]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 40,
        b'{"shard": 1}',
        b"[1]",
        b'{"photos": [[1]]}',
        b'{"shard": Infinity, "bytes": 6, "sha256": "", "photos": []}',
        b"[" * 100_000,
    ],
)
def test_a_damaged_page_makes_its_shard_undone(folder, content):
    folder.page(1).write_bytes(content)
    assert [page.number for page in folder.pages()] == [0]
    assert "is no whole page of the journal" in folder.complaints[0]
    assert not folder.shard(1).exists()


def test_the_page_of_another_shard_is_none(folder):
    folder.page(1).write_bytes(folder.page(0).read_bytes())
    assert whole(folder) == [0]
    assert not folder.shard(1).exists()


def test_a_shard_without_page_is_removed_without_a_word(folder):
    folder.page(1).unlink()
    assert [page.number for page in folder.pages()] == [0]
    assert not folder.shard(1).exists()
    assert folder.complaints == []


def test_half_written_files_are_removed(folder):
    half = folder.path / "_run" / ".part-0123456789abcdef.jsonl"
    half.write_bytes(b"{")
    assert whole(folder) == [0, 1]
    assert not half.exists()


@pytest.mark.parametrize("first", [True, False])
def test_a_shard_whose_page_is_there_is_moved_to_its_place(folder, monkeypatch, first):
    """A run is killed between the page and the move, of a new shard or of one that is written anew."""
    number = 2 if first else 1

    def killed(source, target):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("efficientfan.batch.folder.move", killed)
        with pytest.raises(KeyboardInterrupt):
            folder.commit(number, b"[]\n[]\n", PHOTOS)
    assert folder.shard(number).exists() is not first
    assert whole(folder) == sorted({0, 1, number})
    assert folder.shard(number).read_bytes() == b"[]\n[]\n"
    assert [path.name for path in (folder.path / "_run").glob("faces-*")] == []


def test_a_shard_that_is_written_anew_is_the_former_one_until_its_page_is_there(folder, monkeypatch):
    def killed(entries):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ShardPage, "to_bytes", killed)
        with pytest.raises(KeyboardInterrupt):
            folder.commit(1, b"[]\n[]\n", PHOTOS)
    assert whole(folder) == [0, 1]
    assert folder.shard(1).read_bytes() == b"{}\n{}\n"
    assert [path.name for path in (folder.path / "_run").glob("faces-*")] == []


def test_files_of_others_stay(folder):
    for name in ("notes.txt", "faces.jsonl", "faces-old.jsonl"):
        (folder.path / name).write_text("mine")
    assert whole(folder) == [0, 1]
    assert (folder.path / "faces-old.jsonl").read_text() == "mine"


def test_a_run_is_not_overwritten(folder):
    with pytest.raises(InputError, match="holds a run already; add --resume"):
        folder.claim(INFO, resume=False)
    assert folder.claim(INFO, resume=True)


def test_a_run_that_has_done_nothing_is_started_anew(tmp_path):
    for options in ({}, {"min_score": 0.5}):
        new = ShardFolder(tmp_path / "new", "jsonl")
        assert not new.claim(replace(INFO, options=options), resume=False)
    assert json.loads((tmp_path / "new" / "_run" / "run.json").read_text())["options"] == {"min_score": 0.5}


def test_resume_in_an_empty_folder_starts(tmp_path):
    assert not ShardFolder(tmp_path / "new", "jsonl").claim(INFO, resume=True)


def test_shards_of_no_run_are_not_touched(tmp_path):
    (tmp_path / "faces-000000.jsonl").write_text("mine")
    for resume in (False, True):
        with pytest.raises(InputError, match=r"faces-000000\.jsonl: is in the way"):
            ShardFolder(tmp_path, "jsonl").claim(INFO, resume=resume)


def test_another_model_or_option_is_refused_with_the_difference(folder):
    other = replace(INFO, model=WeightsInfo("tiny", "1" * 64), options={**INFO.options, "min_score": 0.5})
    with pytest.raises(InputError, match="was started otherwise") as error:
        folder.claim(other, resume=True)
    assert str(error.value).splitlines()[1:] == [
        f"  model.sha256: {'0' * 64} before, {'1' * 64} now",
        "  options.min_score: None before, 0.5 now",
    ]


def test_an_option_that_only_one_of_them_has_is_a_difference(folder):
    with pytest.raises(InputError, match=r"options\.pose: None before, True now"):
        folder.claim(replace(INFO, options={**INFO.options, "pose": True}), resume=True)


def test_another_version_goes_on(folder):
    assert folder.claim(replace(INFO, version="99"), resume=True)


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_a_damaged_run_file_is_said(folder, text):
    path = folder.path / "_run" / "run.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"run\.json: .*is no"):
        folder.claim(INFO, resume=True)


@pytest.mark.skipif(sys.platform == "win32", reason="has no such locks")
def test_two_processes_do_not_share_a_folder(folder):
    other = (
        "from pathlib import Path\n"
        "from efficientfan.batch import ShardFolder\n"
        f"with ShardFolder(Path({str(folder.path)!r}), 'jsonl').lock(): pass"
    )
    with folder.lock():
        run = subprocess.run([sys.executable, "-c", other], capture_output=True, text=True)
        assert "another run is writing to this folder" in run.stderr
    assert subprocess.run([sys.executable, "-c", other]).returncode == 0


def test_a_page_is_one_line_of_json(folder):
    text = folder.page(0).read_text()
    assert text.count("\n") == 1
    assert json.loads(text)["photos"] == [["a.jpg", 12, 34, None, 0], ["\udcff.jpg", None, None, None, 1]]


def test_a_full_disk_is_said_and_leaves_what_is_whole(folder, monkeypatch):
    def full(path, content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(InputError, match=r"faces-000002\.jsonl: cannot be written \(No space"):
            folder.commit(2, b"{}\n{}\n", PHOTOS)
        with pytest.raises(InputError, match=r"run\.json: cannot be written \(No space"):
            ShardFolder(folder.path / "new", "jsonl").claim(INFO, resume=False)
    assert whole(folder) == [0, 1]
    assert not list(folder.path.rglob(".part-*"))
