import sys
from pathlib import Path

import pytest
from tiny_training import RECIPE

from efficientfan.cli.main import main
from efficientfan.imaging import read_rgb


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


def test_without_data_it_says_what_to_add(monkeypatch, capsys, tmp_path: Path):
    assert run(monkeypatch, RECIPE, "--out", tmp_path / "sheet.png") == 2
    assert "add --set data.root=FOLDER" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_place(monkeypatch, capsys, drawn_300w: Path, tmp_path: Path):
    (tmp_path / "file").write_text("")
    code = run(monkeypatch, RECIPE, "--set", f"data.root={drawn_300w}", "--out", tmp_path / "file" / "a.png")
    assert code == 2
    assert "cannot be written" in capsys.readouterr().err
