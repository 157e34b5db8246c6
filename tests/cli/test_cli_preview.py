import sys
from pathlib import Path

import numpy as np
import pytest
from drawn_photos import write_drawn_photos
from tiny_training import RECIPE

from efficientfan.cli.main import main
from efficientfan.data.scenes.sheets import TRUST_COLORS
from efficientfan.imaging import read_rgb
from efficientfan.structures import BoxTrust


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["efficientfan", "data", "preview", *map(str, arguments)])
    with pytest.raises(SystemExit) as exit_:
        main()
    return exit_.value.code or 0


def test_preview_writes_a_sheet_and_prints_its_name(monkeypatch, capsys, drawn_300w: Path, tmp_path: Path):
    out = tmp_path / "sheet.png"
    code = run(monkeypatch, RECIPE, "--set", f"data.root={drawn_300w}", "--out", out, "--faces", 3)
    assert code == 0
    assert capsys.readouterr().out.strip() == str(out)
    assert read_rgb(out).shape[1] == 3 * 228 + 4


def test_preview_of_a_detection_recipe(monkeypatch, tmp_path: Path):
    photos, out = write_drawn_photos(tmp_path / "photos", 6), tmp_path / "sheet.png"
    recipe = RECIPE.with_name("tiny_detector.yaml")
    assert run(monkeypatch, recipe, "--set", f"data.root={photos}", "--out", out, "--faces", 4) == 0
    off = np.abs(read_rgb(out).astype(int) - TRUST_COLORS[BoxTrust.LABELED]).max(axis=2)
    assert (off < 30).sum() > 100  # lines are one pixel wide and smoothed


def test_without_data_it_says_what_to_add(monkeypatch, capsys, tmp_path: Path):
    assert run(monkeypatch, RECIPE, "--out", tmp_path / "sheet.png") == 2
    assert "add --set data.root=FOLDER" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_place(monkeypatch, capsys, drawn_300w: Path, tmp_path: Path):
    (tmp_path / "file").write_text("")
    code = run(monkeypatch, RECIPE, "--set", f"data.root={drawn_300w}", "--out", tmp_path / "file" / "a.png")
    assert code == 2
    assert "cannot be written" in capsys.readouterr().err
