"""What tests of several rooms share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from efficientfan.cli.main import main

RunCommand = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> RunCommand:
    """Runs `efficientfan ARGUMENTS...`; returns exit code, standard output and standard error."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["efficientfan", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            main()
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return int(exit_.value.code or 0), captured.out, captured.err

    return call


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test looks into, or writes to, the cache of whoever runs it."""
    monkeypatch.setenv("EFFICIENTFAN_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def drawn_300w(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 training faces and 2 test faces in 300-W's layout."""
    from drawn_faces import write_drawn_300w

    return write_drawn_300w(tmp_path_factory.mktemp("drawn"), train=30)


@pytest.fixture(scope="session")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny landmark model as an ONNX file."""
    from tiny_model import write_model

    return write_model(tmp_path_factory.mktemp("model") / "tiny.onnx")
