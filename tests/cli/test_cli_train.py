"""`efficientfan train` from outside: what it prints where, alone and with two processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_training import RECIPE

from efficientfan.cli.main import main


def train(data: Path, out: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "efficientfan.cli.main", "train", str(RECIPE), "--out", str(out)]
    return subprocess.run(
        [*command, "--set", f"data.root={data}", "train.epochs=1", *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("devices", ["1", "2"])
def test_stdout_holds_the_model_and_nothing_else(drawn_300w: Path, tmp_path: Path, devices: str) -> None:
    out = tmp_path / "run"
    done = train(drawn_300w, out, "--devices", devices)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{out / 'model.safetensors'}\n"
    lines = done.stderr.splitlines()
    assert len([line for line in lines if line.startswith("epoch 1 of 1: ")]) == 1
    assert len([line for line in lines if "training samples an epoch" in line]) == 1
    assert lines.count("the network starts from scratch") == 1
    assert lines.count("3 of them, others in each epoch, fill no batch of 4 and are left out") == 1
    assert "INFO" not in done.stderr
    assert "Tip" not in done.stderr

    # What was logged for people is there for programs too.
    assert "val_nme" in (out / "logs/csv/version_0/metrics.csv").read_text()
    assert list(out.glob("logs/tensorboard/version_0/events.*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--devices", "0"], "--devices '0': give a number from 1, or auto"),
        (["--devices", "many"], "--devices 'many'"),
        (["--devices", "9"], "3 validation samples for 9 processes"),
        (["--set", "data.root=/nowhere"], "/nowhere: no such file or folder"),
        (["--set", "distill={terms: [{kind: fa}]}"], "has no distill.teacher; add --set"),
        (
            ["--set", "distill={teacher: /no.safetensors, terms: [{kind: fa}]}"],
            "/no.safetensors, which is not there; train",
        ),
        (["--set", "objective.coordinate.options={alpha: 2}"], "unexpected keyword argument 'alpha'"),
        (["--set", "objective.coordinate.options={beta: 0}"], "beta must be above 0"),
    ],
)
def test_what_cannot_run_is_one_line_and_leaves_nothing(
    drawn_300w: Path, tmp_path: Path, monkeypatch, capsys, arguments: list[str], message: str
) -> None:
    out = tmp_path / "run"
    command = ["efficientfan", "train", str(RECIPE), "--out", str(out), "--set", f"data.root={drawn_300w}"]
    monkeypatch.setattr(sys, "argv", [*command, *arguments])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert message in errors[0]
    assert not out.exists()
