import csv
import errno
import json
import os
import signal
import subprocess
import sys
import time
import weakref
import zlib

import numpy as np
import pytest
from tiny_model import disc_photo

from efficientfan.cli.main import main
from efficientfan.data.catalog import load_dataset
from efficientfan.formats.records import JsonLinesWriter
from efficientfan.imaging import read_rgb, write_image
from efficientfan.imaging.guarded import GuardedReader
from efficientfan.predict import load
from efficientfan.predict.many import PhotoFailure, predict_photos
from efficientfan.predict.photos import Photo
from efficientfan.predict.timing import STAGES
from efficientfan.schema import get_schema


@pytest.fixture
def run(run_command, model_file):
    """Runs `efficientfan predict ... --model tiny`; returns exit code, standard output and standard error."""

    def call(*arguments, detector="whole", model=model_file):
        return run_command("predict", *arguments, "--model", model, "--detector", detector)

    return call


@pytest.fixture
def folder(tmp_path):
    photos = tmp_path / "photos"
    for name, x in (("a.png", 60), ("b.jpg", 70), ("sub/c.png", 80)):
        write_image(photos / name, disc_photo((x, 60, 15)))
    return photos


def rows(text):
    return [json.loads(line) for line in text.splitlines()]


def test_json_lines_on_standard_output_and_logs_on_standard_error(run, folder):
    code, out, err = run(folder, "--threads", 2)
    assert code == 0
    first, second = rows(out)
    assert (first["image"], second["image"]) == (str(folder / "a.png"), str(folder / "b.jpg"))
    assert (first["width"], first["height"], first["model"], first["schema"]) == (160, 120, "tiny", "ibug68")
    [face] = first["faces"]
    assert np.abs(np.mean(face["points"], axis=0) - (60, 60)).max() < 0.2
    assert len(face["scores"]) == len(face["points"]) == 68
    assert "model: tiny (ibug68); onnxruntime on cpu, f32, 1 thread; detector: whole; workers: 2" in err
    assert "2 images, 2 faces, 0 failed" in err


def test_pose_and_openness_are_there_when_asked_for(run, folder):
    keys = {"pose", "eye_openness", "mouth_openness"}
    _, out, _ = run(folder / "a.png")
    [without] = rows(out)[0]["faces"]
    _, out, _ = run(folder / "a.png", "--pose")
    [face] = rows(out)[0]["faces"]
    assert face.keys() - without.keys() == keys
    assert face["pose"].keys() == {"yaw", "pitch", "roll", "error"}
    assert {key: face[key] for key in without} == without


def test_the_detector_in_use_is_said_in_one_line(run, folder):
    code, out, err = run(folder / "a.png", detector="auto")
    assert code == 0
    assert isinstance(rows(out)[0]["faces"], list)
    assert err.count("detector: facefinder") == 1


def test_sources_of_all_kinds(run, folder):
    _, out, _ = run(folder / "b.jpg", f"{folder}/*.png", folder / "sub")
    assert [row["image"][len(str(folder)) + 1 :] for row in rows(out)] == ["b.jpg", "a.png", "sub/c.png"]
    _, out, _ = run(folder, "--recursive")
    assert len(rows(out)) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="has no such file names")
def test_names_without_a_face_do_not_reach_the_terminal_as_they_are(run, tmp_path):
    photo = tmp_path / "\x1b[2J.png"
    write_image(photo, np.zeros((64, 64, 3), np.uint8))
    _, _, err = run(photo, detector="facefinder")
    assert r"\x1b[2J.png: no face found" in err
    assert "\x1b" not in err


def test_photos_without_a_face_are_named_up_to_a_number(run, tmp_path):
    photos = tmp_path / "empty"
    photos.mkdir()
    for number in range(12):
        write_image(photos / f"{number:02}.png", np.zeros((64, 64, 3), np.uint8))
    code, _, err = run(photos, detector="facefinder")
    assert code == 0
    named = [line for line in err.splitlines() if line.endswith(": no face found")]
    assert len(named) == 10
    assert named[0].startswith(str(photos / "00.png"))
    assert err.splitlines()[-1].endswith("; 12 without a face")


@pytest.mark.parametrize(
    ("name", "content"),
    [("empty.jpg", b""), ("text.jpg", b"hello\n" * 100), ("cut.jpg", None), ("bomb.png", "bomb")],
)
def test_a_broken_photo_is_reported_and_skipped(run, folder, name, content):
    if content is None:
        whole = (folder / "b.jpg").read_bytes()
        content = whole[: len(whole) // 2]
    elif content == "bomb":
        content = bytearray((folder / "a.png").read_bytes())
        content[16:24] = (20_000).to_bytes(4, "big") * 2
        content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    (folder / name).write_bytes(content)
    code, out, err = run(folder)
    assert code == 1
    assert [row["image"][-5:] for row in rows(out)] == ["a.png", "b.jpg"]
    [complaint] = [line for line in err.splitlines() if line.startswith("error:")]
    assert str(folder / name) in complaint
    assert "3 images, 2 faces, 1 failed" in err


@pytest.fixture
def guarded(monkeypatch):
    """What each `GuardedReader` of a command is asked to read: the list grows."""
    asked = []

    class Recording(GuardedReader):
        def __call__(self, image):
            asked.append((image, self.children, self.max_pixels))
            return super().__call__(image)

    monkeypatch.setattr("efficientfan.imaging.guarded.GuardedReader", Recording)
    return asked


def test_photos_of_strangers_are_read_in_child_processes(run, folder, guarded):
    (folder / "b.jpg").write_bytes(b"no image")
    trusted = run(folder, "--threads", 1)
    assert guarded == []
    code, out, err = run(folder, "--threads", 1, "--max-pixels", 1_000_000, "--untrusted")
    assert guarded == [(str(folder / name), 1, 1_000_000) for name in ("a.png", "b.jpg")]
    assert (code, out) == trusted[:2]
    assert [line for line in err.splitlines() if line.startswith("error:")] == [
        line for line in trusted[2].splitlines() if line.startswith("error:")
    ]


def test_max_pixels_is_adjustable(run, folder):
    code, out, err = run(folder / "a.png", "--max-pixels", 19_199)
    assert (code, out) == (1, "")
    assert "--max-pixels" in err
    assert run(folder / "a.png", "--max-pixels", 19_200)[0] == 0


def test_a_photo_of_one_pixel(run, tmp_path):
    write_image(tmp_path / "dot.png", np.full((1, 1, 3), 200, np.uint8))
    for detector in ("whole", "haar"):
        assert run(tmp_path / "dot.png", detector=detector)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing.jpg"], "nothing.jpg: no such file, folder or match"),
        (["{photo}", "--out", "{photo}/o.json"], "cannot be written"),
        (["{photo}", "--out", "{photo}/pts"], "cannot be made a folder"),
        (["{photo}", "--draw", "{photo}/drawn"], "cannot be made a folder"),
        (["{photo}", "--draw", "{folder}"], "is the photo itself"),
        (["{photo}", "--out", "o.xml"], "unknown suffix"),
        (["{photo}", "--out", "o.csv", "--pose"], "--pose is written to jsonl, json and parquet, not to csv"),
        (["{photo}", "--boxes", "none.json"], "none.json: cannot be read"),
        (["{photo}", "--boxes", "{negative}"], "'a.png': box 0 has no positive width"),
        (["{photo}", "--detector", "mtcnn"], "unknown detector 'mtcnn'"),
        (["{photo}", "--detector", "yunet"], "efficientfan models fetch yunet"),
        (["{photo}", "--device", "tpu"], "unknown device 'tpu'"),
        (["{photo}", "--model", "{photo}"], "is not an ONNX model"),
        (["{photo}", "--model", "none"], "none: no such model file"),
        (["{photo}", "--min-score", "2"], "--min-score"),
        (["{photo}", "--batch-size", "0"], "--batch-size"),
        (["{photo}", "--threads", "0"], "--threads"),
    ],
)
def test_misuse_exits_2_before_any_work(
    run, folder, tmp_path, monkeypatch, capsys, model_file, arguments, message
):
    negative = tmp_path / "negative.json"
    negative.write_text('{"a.png": [[30, 10, 20, 40]]}')
    fill = {"photo": folder / "a.png", "folder": folder, "negative": negative}
    line = [argument.format(**fill) for argument in arguments]
    defaults = {"--model": str(model_file), "--detector": "whole"}
    line += [part for option, value in defaults.items() if option not in line for part in (option, value)]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["efficientfan", "predict", *line])
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SystemExit) as exit_:
        main()
    captured = capsys.readouterr()
    assert exit_.value.code == 2
    assert captured.out == ""
    assert message in captured.err
    assert "Traceback" not in captured.err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_full_disk_is_one_line(run, folder, monkeypatch):
    def full(self, record):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(JsonLinesWriter, "add", full)
    code, _, err = run(folder)
    assert code == 2
    assert err.splitlines()[-1] == "error: No space left on device"


def test_boxes_from_a_file(run, folder, tmp_path):
    boxes = tmp_path / "boxes.json"
    boxes.write_text(
        json.dumps({"a.png": [[100, 20, 150, 70], [40, 40, 80, 80]], "b.jpg": [], "other.jpg": []})
    )
    code, out, err = run(folder, "--boxes", boxes, "--min-score", "1", detector="auto")
    assert code == 0
    assert [[face["box"] for face in row["faces"]] for row in rows(out)] == [
        [[100, 20, 150, 70], [40, 40, 80, 80]],
        [],
    ]
    assert "detector: none, boxes given" in err


def test_boxes_that_do_not_fit_their_photo_fail_that_photo(run, folder, tmp_path):
    boxes = tmp_path / "boxes.json"
    boxes.write_text(json.dumps({"a.png": [[10, 20, 50, 70]], "sub/c.png": [[500, 20, 550, 70]]}))
    code, out, err = run(folder, "--recursive", "--boxes", boxes)
    assert code == 1
    assert len(rows(out)) == 1
    assert "b.jpg: is not in the boxes file" in err
    assert "c.png: box 0 lies wholly outside the 160 x 120 image" in err


def test_out_files_and_drawings(run, folder, tmp_path):
    code, out, _ = run(folder, "-r", "--out", tmp_path / "o" / "faces.csv", "--draw", tmp_path / "drawn")
    assert (code, out) == (0, "")
    assert (tmp_path / "o" / "faces.csv").read_text().count("\n") == 4
    assert sorted(str(p.relative_to(tmp_path / "drawn")) for p in (tmp_path / "drawn").rglob("*.*")) == [
        "a.png",
        "b.jpg",
        "sub/c.png",
    ]
    changed = read_rgb(tmp_path / "drawn" / "a.png") != read_rgb(folder / "a.png")
    assert changed.any(axis=2).sum() > 100
    assert run(folder, "-r", "--out", tmp_path / "pts")[0] == 0
    assert sorted(path.name for path in (tmp_path / "pts").rglob("*.pts")) == ["a.pts", "b.pts", "c.pts"]


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_threads_change_no_result_and_no_drawing(run, folder, tmp_path, backend):
    (folder / "broken.png").write_bytes(b"")
    outputs, drawings = set(), []
    for threads in (1, 3):
        drawn = tmp_path / f"drawn{threads}"
        code, out, err = run(folder, "-r", "--threads", threads, "--draw", drawn, "--backend", backend)
        assert code == 1
        assert err.count("error:") == 1
        outputs.add(out)
        drawings.append({path.name: path.read_bytes() for path in drawn.rglob("*.*")})
    assert len(outputs) == 1
    assert drawings[0] == drawings[1]
    assert len(drawings[0]) == 3


def test_a_drawing_that_cannot_be_written_is_one_line(run, folder, tmp_path):
    (tmp_path / "drawn" / "b.jpg").mkdir(parents=True)
    code, _, err = run(folder, "--threads", 2, "--draw", tmp_path / "drawn")
    assert code == 2
    assert "b.jpg: cannot be written" in err.splitlines()[-1]
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) in (["a.png", "b.jpg"], ["b.jpg"])


def test_where_the_time_went(run, folder, tmp_path):
    plain = run(folder)
    assert "share" not in plain[2]
    code, out, err = run(folder, "--timing", "--draw", tmp_path / "drawn")
    assert (code, out) == (0, plain[1])
    lines = [line for line in err.splitlines() if "%" in line]
    assert [line.split()[1] for line in lines] == list(STAGES)
    assert sum(float(line.split("%")[0].split()[-1]) for line in lines) == pytest.approx(100, abs=0.5)


def test_the_batch_size_changes_no_result(run, folder):
    outputs = {run(folder, "-r", "--batch-size", size)[1] for size in (1, 2, 50)}
    assert len(outputs) == 1


@pytest.mark.parametrize(("batch_size", "pixels"), [(2, 10**9), (64, 2 * 160 * 120)])
def test_photos_are_let_go(model_file, folder, monkeypatch, batch_size, pixels):
    """However many photos there are, only those of one batch, or of so many pixels, are held."""
    monkeypatch.setattr("efficientfan.predict.many._PIXELS_AT_ONCE", pixels)
    predictor = load(model_file, detector="whole", threads=1, batch_size=batch_size)
    photo = Photo(str(folder / "a.png"), "a.png")
    alive: list[weakref.ref] = []
    most = 0
    for result in predict_photos(predictor, (photo for _ in range(12))):
        assert not isinstance(result, PhotoFailure)
        alive = [ref for ref in alive if ref() is not None] + [weakref.ref(result.image)]
        most = max(most, len(alive))
    assert most <= 4


def test_predictions_are_corrected_and_become_a_data_set(run, run_command, folder, tmp_path):
    """The way of docs/datasets.md: predict, correct, check, evaluate, read for training."""
    predicted, corrected = tmp_path / "predicted.csv", tmp_path / "corrected.csv"
    assert run(folder, "--out", predicted)[0] == 0
    name = get_schema("ibug68").landmarks[30]
    table = list(csv.DictReader(predicted.read_text().splitlines()))
    before = float(table[0][f"{name}_x"])
    table[0][f"{name}_x"] = f"{before + 3:.3f}"
    with corrected.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(table[0]))
        writer.writeheader()
        writer.writerows(table)

    code, out, _ = run_command("data", "check", "csv", corrected, "--schema", "ibug68")
    assert (code, "2 faces" in out) == (0, True)
    first, second = load_dataset("csv", corrected, "all", schema="ibug68")
    assert (first.name, second.name) == ("photos/a.png", "photos/b.jpg")
    assert first.points[30, 0] == pytest.approx(before + 3, abs=1e-6)
    out = tmp_path / "run"
    arguments = (
        "--dataset",
        "csv",
        "--root",
        corrected,
        "--split",
        "all",
        "--schema",
        "ibug68",
        "--out",
        out,
    )
    assert run_command("evaluate", *arguments, "--predictions", predicted)[0] == 0
    errors = json.loads((out / "results.json").read_text())["samples"]
    assert errors["photos/a.png"] > 0
    assert errors["photos/b.jpg"] == 0
    recipe = (
        f"base: mobilefan_128\ndata:\n  root: {tmp_path}\n  train: [{{dataset: csv, split: corrected}}]\n"
    )
    (tmp_path / "corrected.yaml").write_text(recipe)
    assert (
        run_command("data", "preview", tmp_path / "corrected.yaml", "--out", tmp_path / "sheet.png")[0] == 0
    )


def test_a_folder_that_cannot_be_listed_is_reported(run, folder, monkeypatch):
    scandir = os.scandir

    def refuse(path):  # permissions do not bind root
        if str(path) == str(folder / "sub"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    code, out, err = run(folder, "--recursive")
    assert (code, len(rows(out))) == (1, 2)
    assert f"error: {folder / 'sub'}: cannot be read as an image (it is a folder" in err


def test_a_pipe_among_the_photos_fails_alone(run, folder):
    os.mkfifo(folder / "pipe.jpg")
    code, out, err = run(folder)
    assert (code, len(rows(out))) == (1, 2)
    assert "pipe.jpg: cannot be read as an image (it is a pipe" in err


def start(*arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "efficientfan.cli.main", "predict", *map(str, arguments)], **options
    )


@pytest.mark.skipif(sys.platform != "linux", reason="has no /dev/full")
def test_a_full_standard_error_loses_no_result(model_file, folder):
    (folder / "broken.png").write_bytes(b"")
    with open("/dev/full", "w") as full:
        process = start(
            folder,
            "--model",
            model_file,
            "--detector",
            "whole",
            stdout=subprocess.PIPE,
            stderr=full,
            text=True,
        )
        out, _ = process.communicate()
    assert process.returncode == 1
    assert len(rows(out)) == 2


def test_names_beyond_ascii_reach_an_ascii_terminal(model_file, folder):
    (folder / "a.png").rename(folder / "größe.png")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    process = start(
        *(folder, "--model", model_file, "--detector", "whole", "--format", "csv"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert "größe.png" in out.decode("utf-8")


def test_a_closed_standard_output_is_one_line(model_file, folder):
    process = start(
        *(folder, "--model", model_file, "--detector", "whole"),
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.close(1),
    )
    _, err = process.communicate()
    assert process.returncode == 2
    assert err.splitlines()[-1] == "error: standard output is closed; write to a file with --out"
    assert "Traceback" not in err


def test_sigterm_leaves_nothing_behind(model_file, folder, tmp_path):
    """The photos' list is endless: the results' temporary file is there when the signal comes."""
    out = tmp_path / "out" / "faces.jsonl"
    many = [folder / "a.png"] * 20_000
    process = start(
        *(*many, "--model", model_file, "--detector", "whole", "--out", out),
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (out.parent.is_dir() and list(out.parent.glob(".part-*"))):
        assert process.poll() is None
        time.sleep(0.01)
    process.terminate()
    _, err = process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    assert list(out.parent.iterdir()) == []
    assert "Traceback" not in err
