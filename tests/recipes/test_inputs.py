"""What is missing or damaged is said before torch is loaded: children run in which it cannot be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from efficientfan.errors import InputError
from efficientfan.recipes import check_inputs, recipe_table
from efficientfan.schema import get_schema

BLOCKED = "import sys; sys.modules['torch'] = None; from efficientfan.cli.main import main; main()"
COLUMNS = ",".join(f"{name}_{axis}" for name in get_schema("five").landmarks for axis in "xy")
RECIPE = """
base: mobilefan_128
data: {root: ., schema: five, train: [{dataset: csv, split: train}]}
"""


def train(folder: Path, *arguments: str) -> str:
    """The error of `train` where torch is not there; "torch" where the files are as they should be."""
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED, "train", "mine.yaml", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    return line


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.yaml").write_text(RECIPE)
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "train.csv").write_text(f"image,{COLUMNS}\na.png,1,1,2,1,2,2,1,3,2,3\n")
    return tmp_path


def test_sound_files_are_followed_by_torch(folder: Path) -> None:
    assert "torch" in train(folder)


def test_a_damaged_table(folder: Path) -> None:
    (folder / "train.csv").write_text(f"image,{COLUMNS}\na.png,1,1,2,1,2,2,1,3,2,x\n")
    assert "train.csv: line 2: left_mouth_corner_y: 'x' is not a number" in train(folder)


def test_a_table_that_is_not_there_is_named_with_the_folder(folder: Path) -> None:
    (folder / "train.csv").unlink()
    assert f"has no train.csv (looked for in {folder})" in train(folder)


def test_a_run_that_is_not_there_or_there_already(folder: Path) -> None:
    assert "runs/mine: holds no checkpoint to resume from" in train(folder, "--resume")
    checkpoint = folder / "out/checkpoints/last.ckpt"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.touch()
    assert "out: holds a run already" in train(folder, "--out", "out")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("data.root=none", r"none: no such file or folder \(looked for in .*\); give the root of 'csv'"),
        ("data.root=null", "has no data.root"),
        ("data.train=[{dataset: csv, split: train, folder: sub}]", r"sub: no such file or folder"),
        ("data.validation={dataset: csv, split: val}", "has no val.csv"),
        ("model.start=no.safetensors", r"goes on from no\.safetensors, which is not there \(looked for in "),
        ("model.start=train.onnx", "train.onnx: is an exported model"),
        (
            "distill={teacher: no.safetensors, terms: [{kind: fa}]}",
            r"learns from no\.safetensors, which is not",
        ),
        (
            "distill={teacher: [here.safetensors, no.safetensors], terms: [{kind: fa}]}",
            r"from no\.safetensors",
        ),
    ],
)
def test_what_is_missing(folder: Path, monkeypatch, change: str, message: str) -> None:
    monkeypatch.chdir(folder)
    (folder / "here.safetensors").touch()
    (folder / "train.onnx").touch()
    changes = [change, "data.holdout=null"] if "validation" in change else [change]
    with pytest.raises(InputError, match=message):
        check_inputs(recipe_table("mine.yaml", changes))


@pytest.mark.parametrize("change", ["data.train=5", "data.schema=sixty", "model=5", "data.limit=0"])
def test_other_faults_are_left_to_the_recipes_check(folder: Path, monkeypatch, change: str) -> None:
    monkeypatch.chdir(folder)
    check_inputs(recipe_table("mine.yaml", [change]))


def test_a_detectors_recipe(tmp_path: Path) -> None:
    table = recipe_table("facefinder", ["model.start=null", f"model.teacher={tmp_path / 'no.safetensors'}"])
    with pytest.raises(
        InputError,
        match=r"learns from .*no\.safetensors, which is not there; train that first, or add --set model\.teacher",
    ):
        check_inputs(table)


def test_a_base_that_is_not_there_is_told_from_what_there_is(folder: Path) -> None:
    (folder / "mine.yaml").write_text("base: mobilefan_182\n")
    assert "did you mean 'mobilefan_128'?" in train(folder)
    (folder / "mine.yaml").write_text("base: 300w/mobilfan\n")
    assert "did you mean '300w/mobilefan'?" in train(folder)
