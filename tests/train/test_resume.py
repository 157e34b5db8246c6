"""A run that dies and goes on must end as if nothing had happened."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from tiny_training import tiny_recipe

from efficientfan.errors import InputError
from efficientfan.train import fit
from efficientfan.train.fit import _claim

SCRIPT = Path(__file__).parent / "tiny_training.py"


def start(data: Path, out: Path, *arguments: str, **options: object) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(SCRIPT.parent)}
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), str(data), str(out), *arguments],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    )  # type: ignore[call-overload]


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and standard error."""
    _, errors = process.communicate()
    return process.returncode, errors


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    while not path.exists():
        assert process.poll() is None, finish(process)
        time.sleep(0.01)


@pytest.fixture(scope="module")
def undisturbed(drawn_300w: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "undisturbed"
    process = start(drawn_300w, out)
    assert finish(process)[0] == 0
    return out


def assert_same_weights(first: Path, second: Path) -> None:
    expected, found = (load_file(folder / "model.safetensors") for folder in (first, second))
    assert expected.keys() == found.keys()
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)


def test_killed_in_mid_epoch_and_resumed_ends_with_the_same_weights(
    drawn_300w: Path, undisturbed: Path, tmp_path: Path
) -> None:
    out = tmp_path / "killed"
    last = out / "checkpoints" / "last.ckpt"
    process = start(drawn_300w, out)
    wait_for(last, process)  # written after two of the six steps of an epoch
    os.killpg(process.pid, signal.SIGKILL)
    assert finish(process)[0] == -signal.SIGKILL
    assert torch.load(last, weights_only=True)["global_step"] < 18
    assert not (out / "model.safetensors").exists()

    process = start(drawn_300w, out, "--resume")
    assert finish(process)[0] == 0
    assert_same_weights(undisturbed, out)


def test_ctrl_c_saves_and_can_be_resumed(drawn_300w: Path, undisturbed: Path, tmp_path: Path) -> None:
    out = tmp_path / "stopped"
    last = out / "checkpoints" / "last.ckpt"
    process = start(drawn_300w, out, "train.checkpoint_steps=1")
    wait_for(last, process)
    process.send_signal(signal.SIGINT)
    code, errors = finish(process)
    assert code == 2
    assert "--resume" in errors.splitlines()[-1]
    assert "Traceback" not in errors

    process = start(drawn_300w, out, "train.checkpoint_steps=1", "--resume")
    assert finish(process)[0] == 0
    assert_same_weights(undisturbed, out)


def test_full_disk_leaves_the_former_checkpoint(drawn_300w: Path, undisturbed: Path, tmp_path: Path) -> None:
    out = tmp_path / "full"
    last = out / "checkpoints" / "last.ckpt"
    process = start(drawn_300w, out)
    wait_for(last, process)
    os.killpg(process.pid, signal.SIGKILL)
    finish(process)
    before = last.read_bytes()

    def no_space() -> None:  # files may not grow beyond 1 MB: writing a checkpoint fails half-way
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

    process = start(drawn_300w, out, "--resume", preexec_fn=no_space)
    code, errors = finish(process)
    assert code != 0
    assert "File too large" in errors
    assert last.read_bytes() == before


def test_resume_with_another_recipe_is_refused_and_shows_the_difference(
    drawn_300w: Path, undisturbed: Path
) -> None:
    with pytest.raises(InputError, match=r"another recipe[\s\S]*-  lr: 0.002[\s\S]*\+  lr: 0.1"):
        fit(tiny_recipe(drawn_300w, "train.lr=0.1"), undisturbed, resume=True)


def test_a_recipe_that_was_written_before_a_key_was_known_is_no_other_recipe(
    drawn_300w: Path, tmp_path: Path
) -> None:
    recipe, last = tiny_recipe(drawn_300w), tmp_path / "last.ckpt"
    _claim(tmp_path, last, recipe, resume=False)
    last.touch()
    note = tmp_path / "recipe.yaml"
    note.write_text(note.read_text().replace("  visibility: null\n", ""))
    assert "visibility" not in note.read_text()
    _claim(tmp_path, last, recipe, resume=True)


def test_a_folder_in_use_is_refused(drawn_300w: Path, undisturbed: Path) -> None:
    with pytest.raises(InputError, match="holds a run already"):
        fit(tiny_recipe(drawn_300w), undisturbed)


def test_nothing_to_resume(drawn_300w: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no checkpoint to resume"):
        fit(tiny_recipe(drawn_300w), tmp_path, resume=True)
