"""The command from end to end on one small photo, and its errors."""

from __future__ import annotations

import json

import pytest
from skimage import data

from efficientfan.benchmark.photos import photos_with_faces
from efficientfan.benchmark.startup import measure_startup
from efficientfan.benchmark.subjects import Subject
from efficientfan.errors import InputError
from efficientfan.imaging import write_image
from efficientfan.predict.detectors import WholeImageDetector


@pytest.fixture
def photos(tmp_path):
    write_image(tmp_path / "photos" / "portrait.png", data.astronaut()[:200, 130:330])
    return tmp_path / "photos"


def test_a_quick_run(photos, tmp_path, run_command):
    code, out, err = run_command(
        *("benchmark", "--quick", "--rounds", 1, "--backend", "onnxruntime", "--threads", 1),
        *("--detector", "whole", "--photos", photos, "--out", tmp_path / "out"),
    )
    assert code == 0, err
    table = json.loads((tmp_path / "out" / "benchmark.json").read_text())
    (candidate,) = table["candidates"]
    assert candidate["ratio"] == 1
    assert (candidate["engine"], candidate["precision"], candidate["threads"]) == ("onnxruntime", "f32", 1)
    assert set(candidate["faces_per_second"]) == {"1", "8"}
    assert 0 < candidate["median_ms"] <= candidate["p95_ms"]
    assert candidate["peak_share"] > 0
    (photo,) = table["photos"]
    assert (photo["scene"], photo["faces"], photo["found"]) == ("photos", 1, 1)
    assert all(ms > 0 for ms in photo["parts"].values())
    (start,) = table["startup"]
    assert start["total_s"] == pytest.approx(start["import_s"] + start["load_s"] + start["first_face_s"])
    assert start["peak_mib"] is None or 20 < start["peak_mib"] < 2000
    assert "1 interleaved rounds of 3 repeats" in out
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "benchmark.json",
        "latency.png",
        "front.png",
    }


def test_an_end_to_end_run(tmp_path, run_command):
    code, out, err = run_command(
        *("benchmark", "fast", "tiny", "--end-to-end", "--rounds", 1, "--backend", "onnxruntime", "--quick"),
        *("--threads", 1, "--faces", 2, "--processor-time", "--out", tmp_path / "out"),
    )
    assert code == 0, err
    table = json.loads((tmp_path / "out" / "benchmark.json").read_text())
    assert table["candidates"] == table["startup"] == table["peaks"] == []
    assert [(row["scene"], row["threads"], row["faces"], row["found"]) for row in table["photos"]] == [
        ("1080p, 2 portraits", 1, 2, 2)
    ] * 2
    assert len({row["name"] for row in table["photos"]}) == 2
    assert "A photo from its file to its drawn faces" in out
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["benchmark.json"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--against", "opencv"], "unknown peer 'opencv'; known are dlib, mediapipe"),
        (["--against", "mediapipe", "--detector", "whole"], "mediapipe==0.10.21"),
        (["--against", "dlib", "--end-to-end"], "which an end-to-end run leaves out"),
        (["--against", "mediapipe", "--processor-time"], "mediapipe runs in another process"),
        (["nowhere.onnx"], "nowhere.onnx: no such model file"),
        (["--results", "nowhere.json"], "nowhere.json: cannot be read"),
        (["--photos", "nowhere"], "nowhere: no such file"),
    ],
)
def test_misuse(run_command, options, words):
    code, out, err = run_command("benchmark", "--quick", "--backend", "onnxruntime", *options)
    assert (code, out) == (2, "")
    assert words in err


def test_a_process_that_does_not_start(photos, tmp_path):
    (tmp_path / "junk.onnx").write_bytes(b"junk")
    photo = photos_with_faces(photos, WholeImageDetector())[0]
    with pytest.raises(InputError, match=r"junk onnxruntime f32: does not start .*InputError"):
        measure_startup(
            [Subject(tmp_path / "junk.onnx", "onnxruntime")], photo, threads=1, detector="whole", rounds=1
        )
