"""`efficientfan predict --out FOLDER`: runs that are stopped in every way and go on."""

import json
import os
import signal
import subprocess
import sys

import pytest
from tiny_model import disc_photo

from efficientfan.batch import RunInfo
from efficientfan.files import read_json
from efficientfan.formats.parquet import metadata_of_parquet, read_parquet
from efficientfan.formats.records import FailedPhoto
from efficientfan.imaging import write_image

pytest.importorskip("pyarrow")

KILLED = """
import os, signal, sys
fsync, left = os.fsync, int(sys.argv.pop(1))

def killed(descriptor):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    fsync(descriptor)

os.fsync = killed  # called after a file is written and before it gets its name, and once more after that
from efficientfan.cli.main import main
main()
"""


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Eleven photos in photos/, the sixth of them broken; the current folder is above."""
    for number in range(11):
        image = disc_photo((40 + 7 * number, 60, 15))
        write_image(tmp_path / "photos" / f"{number:02}.png", image)
    (tmp_path / "photos" / "05.png").write_bytes(b"nothing")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "photos"


@pytest.fixture
def run(run_command, model_file, photos):
    """Runs `efficientfan predict` in shards of three photos; returns exit code and standard error."""

    def call(*arguments, sources=("photos",), out="results", file_format="parquet"):
        options = ("--model", model_file, "--detector", "whole", "--shard-size", 3, "--format", file_format)
        code, _, err = run_command("predict", *sources, "--out", out, *options, *arguments)
        return code, err

    return call


def rows(folder):
    """Every photo of a folder's shards, shard by shard."""
    return [result for path in sorted(folder.glob("*.parquet")) for result in read_parquet(path)]


def files(folder):
    """Name -> content of every shard."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("faces-*"))}


def test_a_folder_of_tables_holds_every_photo(run, photos, tmp_path):
    code, err = run()
    assert code == 1
    assert "11 images, 10 faces, 1 failed" in err
    found = rows(tmp_path / "results")
    assert [result.image for result in found] == [f"photos/{number:02}.png" for number in range(11)]
    assert isinstance(found[5], FailedPhoto)
    assert found[5].reason.startswith("photos/05.png: is not an image")
    assert list(files(tmp_path / "results")) == [f"faces-{number:06}.parquet" for number in range(4)]


def test_the_files_say_what_made_them(run, tmp_path, model_file):
    run()
    metadata = metadata_of_parquet(tmp_path / "results" / "faces-000000.parquet")
    assert metadata["model"]["name"] == "tiny"
    assert len(metadata["model"]["sha256"]) == 64
    assert metadata["detector"] == {"name": "whole", "sha256": None}
    assert set(metadata) == {"table", "landmarks", *RunInfo.__dataclass_fields__}
    assert read_json(tmp_path / "results" / "_run" / "run.json")["options"] == metadata["options"]


def test_killed_at_any_moment_and_resumed_gives_the_same_bytes(run, photos, tmp_path, model_file):
    run(out="undisturbed")
    # Killed with shard 0 written but not in the journal, with its page half written, with its page there and the
    # shard not in its place, and with shard 2 half written.
    for moment in (4, 5, 6, 7):
        command = ["predict", "photos", "--out", "results", "--resume", "--shard-size", "3"]
        options = ["--model", str(model_file), "--detector", "whole", "--format", "parquet"]
        process = subprocess.run(
            [sys.executable, "-c", KILLED, str(moment), *command, *options], capture_output=True, text=True
        )
        assert process.returncode == -signal.SIGKILL, process.stderr
    assert (tmp_path / "results" / "faces-000000.parquet").exists()
    code, err = run("--resume")
    assert code == 1
    assert "resumed: 6 photos are done (1 of them failed); 5 to do" in err
    assert files(tmp_path / "results") == files(tmp_path / "undisturbed")
    assert not list((tmp_path / "results").rglob(".part-*"))


def test_a_stopped_run_says_what_it_has(run, monkeypatch, tmp_path):
    from efficientfan.batch import ShardFolder

    commit = ShardFolder.commit

    def full(folder, number, content, photos):
        if number == 2:
            raise OSError(28, "No space left on device", "results")
        commit(folder, number, content, photos)

    monkeypatch.setattr(ShardFolder, "commit", full)
    code, err = run()
    assert code == 2
    assert "stopped: 6 photos are in whole shards; --resume goes on" in err
    assert "error: results: No space left on device" in err
    assert len(rows(tmp_path / "results")) == 6


def test_a_folder_that_is_spelled_otherwise_is_the_same(run, tmp_path):
    run()
    before = files(tmp_path / "results")
    _, err = run("--resume", sources=("./photos/",))
    assert "resumed: 11 photos are done (1 of them failed); 0 to do" in err
    assert "not among the sources" not in err
    assert files(tmp_path / "results") == before


def test_nothing_is_left_to_do(run, tmp_path):
    run()
    before = files(tmp_path / "results")
    code, err = run("--resume")
    assert code == 1  # as of the run that was not interrupted: a photo failed
    assert "resumed: 11 photos are done (1 of them failed); 0 to do" in err
    assert files(tmp_path / "results") == before


@pytest.mark.parametrize("file_format", ["parquet", "jsonl"])
def test_mended_and_changed_photos_are_done_again_in_their_place(run, photos, tmp_path, file_format):
    run(file_format=file_format)
    write_image(photos / "05.png", disc_photo((70, 60, 15)))
    write_image(photos / "09.png", disc_photo((90, 60, 15)))
    code, err = run("--resume", file_format=file_format)
    assert code == 0
    assert "9 photos are done; 2 to do, 2 of them because their files changed" in err
    run(out="fresh", file_format=file_format)
    if file_format == "jsonl":
        assert files(tmp_path / "results") == files(tmp_path / "fresh")
    else:
        assert rows(tmp_path / "results") == rows(tmp_path / "fresh")


def test_a_failed_photo_is_retried_on_demand(run, photos, tmp_path):
    run()
    status = os.stat(photos / "05.png")
    code, err = run("--resume", "--retry-failed")
    assert code == 1
    assert "1 to do, 1 of them because they failed" in err
    assert os.stat(photos / "05.png") == status
    assert [result.image for result in rows(tmp_path / "results")].count("photos/05.png") == 1


def test_a_shard_that_was_cut_is_made_again(run, tmp_path):
    run()
    before = files(tmp_path / "results")
    shard = tmp_path / "results" / "faces-000001.parquet"
    shard.write_bytes(shard.read_bytes()[:1000])
    _, err = run("--resume")
    assert f"{'results'}/faces-000001.parquet: is damaged or was changed; its photos are done again" in err
    assert files(tmp_path / "results") == before


def test_a_second_run_into_the_folder_is_refused(run, tmp_path):
    run()
    before = files(tmp_path / "results")
    code, err = run()
    assert code == 2
    assert "holds a run already; add --resume" in err
    code, err = run("--resume", "--min-score", 0.9)
    assert code == 2
    assert "options.min_score: None before, 0.9 now" in err
    assert files(tmp_path / "results") == before


def test_the_parts_of_two_machines_are_the_whole(run, tmp_path):
    run(out="whole")
    for part in ("1/2", "2/2"):
        run("--shard", part)
    parts = [rows(tmp_path / "results" / f"part-{number}-of-2") for number in (1, 2)]
    assert all(parts)
    both = sorted([*parts[0], *parts[1]], key=lambda result: result.image)
    assert both == rows(tmp_path / "whole")


def test_lists_with_missing_doubled_and_unreadable_paths(run, photos, tmp_path):
    (tmp_path / "list.txt").write_text(
        "photos/03.png\nphotos/none.png\n./photos/03.png\nphotos\nphotos/05.png\n"
    )
    code, err = run("--list", "list.txt", sources=())
    assert code == 1
    assert "note: 1 photos are named twice and taken once" in err
    assert "4 images, 1 face, 3 failed" in err
    found = rows(tmp_path / "results")
    assert [result.image for result in found] == [
        "photos/03.png",
        "photos/none.png",
        "photos",
        "photos/05.png",
    ]
    assert [isinstance(result, FailedPhoto) for result in found] == [False, True, True, True]
    assert "no such file" in found[1].reason.lower()


def test_a_list_on_standard_input(photos, tmp_path, model_file):
    names = b"photos/02.png\0photos/01.png\0"
    command = ["predict", "-", "--out", "results", "--format", "jsonl", "--detector", "whole"]
    process = subprocess.run(
        [sys.executable, "-m", "efficientfan.cli.main", *command, "--model", str(model_file)],
        input=names,
        capture_output=True,
    )
    assert process.returncode == 0, process.stderr
    lines = (tmp_path / "results" / "faces-000000.jsonl").read_text().splitlines()
    assert [json.loads(line)["image"] for line in lines] == ["photos/02.png", "photos/01.png"]


@pytest.mark.parametrize("reader", ["pandas", "polars", "duckdb"])
def test_a_folder_is_read_as_one_table(run, tmp_path, reader):
    program = pytest.importorskip(reader)
    run()
    if reader == "pandas":
        images = program.read_parquet("results/")["image"].tolist()
    elif reader == "polars":
        images = program.scan_parquet("results/*.parquet").collect()["image"].to_list()
    else:
        with program.connect() as connection:
            images = [
                row[0] for row in connection.execute("select image from 'results/*.parquet'").fetchall()
            ]
    assert sorted(images) == [f"photos/{number:02}.png" for number in range(11)]


def test_failures_are_lines_of_json_shards(run, tmp_path):
    run(file_format="jsonl")
    lines = (tmp_path / "results" / "faces-000001.jsonl").read_text().splitlines()
    failed = json.loads(lines[2])
    assert failed["image"] == "photos/05.png"
    assert failed["faces"] == []
    assert failed["error"].startswith("photos/05.png: is not an image")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["photos", "--out", "one.parquet", "--resume"], "are for many files: --out FOLDER --format parquet"),
        (["photos", "--retry-failed"], "are for many files"),
        (
            ["photos", "--out", "r", "--format", "jsonl", "--retry-failed"],
            "--retry-failed goes with --resume",
        ),
        (["photos", "--out", "r", "--format", "csv"], "format 'csv' writes a .csv file"),
        (
            ["photos", "--out", "r.x", "--format", "parquet"],
            "a .parquet file, or many into a folder (no suffix)",
        ),
        (["photos", "--out", "r", "--format", "jsonl", "--shard", "5/4"], "--shard is a part such as 3/16"),
        (["--out", "r", "--format", "jsonl"], "no photos: name files, folders or globs"),
        (["--list", "none.txt"], "none.txt: cannot be read (No such file or directory)"),
        (["--list", "photos/00.png"], "photos/00.png: is a photo; --list takes a text file"),
        (["--list", "urls.txt"], "s3://bucket/a.jpg: photos of URLs are for `efficientfan batch`"),
        (["-", "--list", "-"], "standard input (-) can be read once only"),
        (["photos/00.png", "--shard", "1/1000"], "none of the photos is of this part"),
        (["clip.mp4", "--out", "r", "--format", "parquet"], "of videos"),
    ],
)
def test_misuse(run_command, photos, arguments, message):
    (photos.parent / "urls.txt").write_text("photos/00.png\ns3://bucket/a.jpg\n")
    code, _, err = run_command("predict", *arguments)
    assert code == 2
    assert message in err
    assert not (photos.parent / "r").exists()


def test_one_file_for_many_photos_is_advised_against(run_command, model_file, photos, monkeypatch):
    import efficientfan.cli.photos as command

    options = ("--model", model_file, "--detector", "whole", "--out", "faces.jsonl")
    _, _, err = run_command("predict", "photos", *options)
    assert "can be resumed" not in err
    monkeypatch.setattr(command, "MANY_PHOTOS", 10)
    _, _, err = run_command("predict", "photos", *options)
    note = err.index("note: faces.jsonl appears when all 11 photos are done, and not at all if the run stops")
    assert note < err.index("error: photos/05.png")


def test_a_table_in_one_file(run_command, model_file, photos, tmp_path):
    options = ("--model", model_file, "--detector", "whole", "--out", "faces.parquet")
    code, _, _ = run_command("predict", "photos", *options)
    assert code == 1
    found = list(read_parquet(tmp_path / "faces.parquet"))
    assert [result.image for result in found if isinstance(result, FailedPhoto)] == ["photos/05.png"]
    assert len(found) == 11
    assert metadata_of_parquet(tmp_path / "faces.parquet")["model"]["name"] == "tiny"
