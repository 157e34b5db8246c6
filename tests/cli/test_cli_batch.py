"""`efficientfan batch` without Ray: what is refused, and a run with nothing left to do. With Ray: batch/test_ray.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_model import disc_photo

from efficientfan.imaging import write_image

pytest.importorskip("pyarrow")
pytest.importorskip("fsspec")

RunCommand = Callable[..., tuple[int, str, str]]


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_image(tmp_path / "photos" / "a.png", disc_photo((40, 60, 15)))
    return tmp_path / "photos"


@pytest.fixture(autouse=True)
def _no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(options: object) -> None:
        raise AssertionError("Ray was started")

    monkeypatch.setattr("efficientfan.batch.ray_run._connect", start)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "no photos: name files"),
        (("nowhere",), "nowhere: no such file, folder or match"),
        (("nosuch://bucket/photos",), "nosuch://bucket/photos: cannot be read"),
        (("memory://empty/*.jpg",), "memory://empty/*.jpg: no photos there"),
        (("photos", "--model", "nosuch"), "nosuch: no such model file"),
        (("photos", "--passes", "3"), "--passes is auto, 1 or 2"),
    ],
)
def test_misuse_is_one_line_and_leaves_nothing(
    photos: Path, run_command: RunCommand, arguments: tuple[str, ...], message: str
) -> None:
    code, out, err = run_command("batch", *arguments, "--out", "results")
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert message in err
    assert not Path("results").exists()


def test_a_run_of_the_one_machine_command_is_known(
    photos: Path, model_file: Path, run_command: RunCommand
) -> None:
    """Both say the same of what a run is made with: nothing is done again, and other options are refused."""
    options = ("--out", "results", "--model", model_file, "--detector", "whole", "--min-score", "0.1")
    code, _, err = run_command("predict", "photos", "--format", "parquet", *options)
    assert code == 0, err
    code, _, err = run_command("batch", "photos", *options)
    assert code == 2
    assert "holds a run already; add --resume" in err
    code, _, err = run_command("batch", "photos", *options, "--resume")
    assert code == 0, err
    assert "resumed: 1 photos are done; 0 to do" in err
    code, _, err = run_command("batch", "photos", *options, "--resume", "--max-faces", "2")
    assert code == 2
    assert "options.max_faces: None before, 2 now" in err
