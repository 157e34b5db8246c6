"""`efficientfan page`."""

from __future__ import annotations

from pathlib import Path

import pytest

from efficientfan.page import files


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "built"
    monkeypatch.setattr(files, "_BUILT", folder)
    return folder


def test_writes_the_page_that_the_package_carries(run_command, built, tmp_path):
    built.mkdir()
    (built / "index.html").write_text("<!doctype html>")
    code, out, err = run_command("page", tmp_path / "site")
    assert (code, out) == (0, "")
    assert "open it from a web server" in err
    assert {path.name for path in (tmp_path / "site").iterdir()} == {"index.html", "models", "models.json"}


def test_says_how_to_build_a_page_that_it_does_not_carry(run_command, built, tmp_path):
    code, _, err = run_command("page", tmp_path / "site")
    assert code == 2
    assert "scripts/page" in err
    assert not (tmp_path / "site").exists()
