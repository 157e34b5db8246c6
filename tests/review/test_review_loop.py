"""The commands and the recipe of docs/guides/review.md, as they stand there: pseudo-label, review, train."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from efficientfan.data.catalog import load_dataset
from efficientfan.imaging import read_rgb, write_image

RunCommand = Callable[..., tuple[int, str, str]]
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/guides/review.md").read_text(encoding="utf-8")
EXPORT = Path("annotations/person_keypoints_default.json")
SMALL = [
    "model.network=mobilefan_050",
    "model.input_size=32",
    "train.epochs=1",
    "train.batch_size=2",
    "train.workers=0",
]


def commands() -> list[list[str]]:
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    return [shlex.split(line)[1:] for block in blocks for line in block.splitlines()]


def write_photos(folder: Path) -> None:
    """One portrait nine times, darker and noisier each time."""
    portrait = read_rgb(ROOT / "examples" / "astronaut.jpg").astype(float)
    rng = np.random.default_rng(0)
    for number in range(9):
        noise = rng.normal(0, 6 * number, portrait.shape)
        photo = (portrait * (1 - 0.08 * number) + noise).clip(0, 255).astype(np.uint8)
        write_image(folder / f"{number}.png", photo)


def correct() -> int:
    """Play the labeling tool: move the faces of one photo by (3, 0) pixels; how many there are."""
    table = json.loads(Path("review/review.json").read_text())
    first = [face for face in table["annotations"] if face["image_id"] == table["images"][0]["id"]]
    for face in first:
        face["keypoints"] = (
            (np.reshape(face["keypoints"], (-1, 3)) + np.array([3, 0, 0])).reshape(-1).tolist()
        )
    EXPORT.parent.mkdir()
    EXPORT.write_text(json.dumps(table))
    return len(first)


def test_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_command: RunCommand) -> None:
    monkeypatch.chdir(tmp_path)
    write_photos(tmp_path / "photos")
    (recipe,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    Path("corrected.yaml").write_text(recipe)
    wanted = ["predict", "review", "review-import", "data", "train", "export"]
    assert [command[0] for command in commands()] == wanted
    moved = 0
    for command in commands():
        if command[0] == "review":
            command[command.index("--count") + 1] = "6"  # leaves some to be sure of
        if command[0] == "review-import":
            moved = correct()
        more = ["--devices", "1", "--set", *SMALL] if command[0] == "train" else []
        code, _, err = run_command(*command, *more)
        assert code == 0, (command, err)
        if command[0] == "review-import":
            assert f"moved: {moved}, by " in err
    corrected, sure = (
        load_dataset("coco", "review", split, schema="ibug68") for split in ("corrected", "sure")
    )
    assert len(corrected) == 6
    assert sure
    assert {face.image.name for face in corrected}.isdisjoint(face.image.name for face in sure)
    assert Path("corrected.onnx").is_file()
