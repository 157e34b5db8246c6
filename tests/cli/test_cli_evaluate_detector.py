"""`efficientfan evaluate-detector` as typed: output, files, exit codes."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from skimage.data import astronaut

from efficientfan.imaging import read_rgb, write_image

FACE = [83, 82, 79, 92]
"""The astronaut's face, brows to chin: x, y, width, height."""


@pytest.fixture
def boxes(tmp_path):
    """A folder with the astronaut, and a gray photo without a face."""
    root = tmp_path / "data"
    write_image(root / "images" / "astronaut.png", astronaut()[:220, 100:340])
    write_image(root / "images" / "gray.png", np.full((150, 200, 3), 128, np.uint8))
    images = [{"id": i, "file_name": f"{name}.png"} for i, name in enumerate(("astronaut", "gray"))]
    annotations = [{"id": 0, "image_id": 0, "bbox": FACE, "source": "human"}]
    (root / "all.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    return (
        "--dataset",
        "boxes",
        "--root",
        root,
        "--split",
        "all",
        "--detector",
        "haar",
    )


def test_a_detector_is_measured_and_everything_is_written(run_command, boxes, tmp_path):
    out = tmp_path / "out"
    code, text, _ = run_command("evaluate-detector", *boxes, "--out", out)
    assert code == 0
    assert "haar on boxes all: 2 photos, 1 faces to be found" in text
    table = json.loads((out / "results.json").read_text())
    assert table["format"] == "efficientfan-detection-1"
    assert table["subject"] == {"kind": "detector", "name": "haar"}
    assert table["groups"]["1 face"]["rates"]["0.4"]["found"] == 1
    for name in ("recall.png", "sizes.png"):
        assert read_rgb(out / name).std() > 0
    assert (out / "mistakes.json").is_file()


def test_results_stay_without_matplotlib(run_command, boxes, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    out = tmp_path / "out"
    code, _, errors = run_command("evaluate-detector", *boxes, "--out", out)
    assert code == 0
    assert "no plots" in errors
    assert not list(out.glob("recall.png")) + list(out.glob("sizes.png"))
    assert (out / "results.json").is_file()


def test_a_high_threshold_misses_the_face(run_command, boxes):
    for threshold, recall in (("-1000", "100.00"), ("1e6", "0.00")):
        code, text, _ = run_command("evaluate-detector", *boxes, "--min-score", threshold)
        assert code == 0
        row = next(line.split() for line in text.splitlines() if line.startswith("all"))
        assert row[:4] == ["all", "2", "1", recall]


def test_a_limit_takes_some_photos(run_command, boxes):
    code, text, _ = run_command("evaluate-detector", *boxes, "--limit", 1)
    assert code == 0
    assert "1 photos" in text


def test_the_whole_predictor_finds_the_face(run_command, boxes, tmp_path):
    out = tmp_path / "out"
    code, text, _ = run_command(
        "evaluate-detector", *boxes, "--through-predictor", "--label", "all of it", "--out", out
    )
    assert code == 0
    assert text.startswith("all of it on boxes")
    table = json.loads((out / "results.json").read_text())
    assert table["subject"]["kind"] == "predictor"
    assert table["subject"]["name"] == f"haar+{table['subject']['model']['name']}"
    assert len(table["subject"]["model"]["sha256"]) == 64
    rates = table["groups"]["all"]["rates"]["0.4"]
    assert (rates["found"], rates["strays"]) == (1, 0)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--model", "default"), "--model sets the landmark model, which needs --through-predictor"),
        (("--threads", "1"), "--threads sets the landmark model, which needs --through-predictor"),
        (("--detector", "nonsense"), "unknown detector 'nonsense'"),
        (("--dataset", "300w"), "unknown detection data '300w'"),
    ],
)
def test_misuse_is_one_line_and_exit_code_2(run_command, boxes, more, message):
    code, text, error = run_command("evaluate-detector", *boxes, *more)
    assert (code, text) == (2, "")
    assert message in error
    assert error.count("\n") == 1


def test_the_old_spelling_names_the_new_command(run_command, boxes):
    code, text, error = run_command("evaluate", "--task", "detection", *boxes)
    assert (code, text) == (2, "")
    assert "efficientfan evaluate-detector" in error
