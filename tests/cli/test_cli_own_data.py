"""The commands and recipes of docs/guides/train.md, as they stand there: from a table to a model file of one's own."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from efficientfan.imaging import read_rgb, write_image
from efficientfan.models.checkpoint import load_checkpoint

RunCommand = Callable[..., tuple[int, str, str]]
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/guides/train.md").read_text(encoding="utf-8")
SMALL = ["model.network=mobilefan_050", "model.input_size=32", "train.epochs=1", "train.warmup_steps=1"]
SMALL += ["train.batch_size=2", "train.workers=0"]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def commands() -> list[list[str]]:
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("efficientfan ")]


def test_the_guide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_command: RunCommand) -> None:
    monkeypatch.chdir(tmp_path)
    portrait = read_rgb(ROOT / "examples" / "astronaut.jpg")
    for number in range(4):
        write_image(tmp_path / "photos" / f"{number}.png", np.roll(portrait, 4 * number, axis=0))
    write_image(tmp_path / "photo.jpg", portrait)
    recipe, boxed = (text.replace("mine.json", "ibug68") for text in blocks("yaml"))
    Path("mine.yaml").write_text(recipe)
    done = []
    for command in commands():
        words = ["ibug68" if word == "mine.json" else word for word in command]
        if words[0] == "quantize":  # needs more faces than these
            continue
        code, _, err = run_command(
            *words, *(["--devices", "1", "--set", *SMALL] if words[0] == "train" else [])
        )
        assert code == 0, (words, err)
        done.append(words[0])
        if words[0] == "predict":
            shutil.copy("train.csv", "test.csv")
    assert done[:3] == ["predict", "data", "data"]
    assert done[-5:] == ["train", "export", "evaluate", "evaluate", "predict"]
    Path("mine.yaml").write_text(boxed)
    code, _, err = run_command("train", "mine.yaml", "--out", "runs/boxed", "--devices", "1", "--set", *SMALL)
    assert code == 0, err
    assert load_checkpoint("runs/boxed/model.safetensors")[1].crop_box is not None
