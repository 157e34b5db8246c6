"""A run that is killed and resumed must end with the same weights as one that was not."""

from __future__ import annotations

import csv
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tiny_training
import torch
from safetensors.numpy import load_file
from tiny_training import tiny_recipe

from efficientfan.errors import EfficientFanError, InputError
from efficientfan.recipes.run_folder import RunFolder
from efficientfan.train import fit
from efficientfan.train.callbacks import KeepLast
from efficientfan.train.fit import _trainer
from efficientfan.train.module import Figure

SCRIPT = Path(tiny_training.__file__)
FIGURE = Figure("val_nme", "NME", False)


def start(data: Path, out: Path, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    paths = os.pathsep.join(filter(None, (str(SCRIPT.parent), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths}
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), str(data), str(out), *arguments],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and standard error; one that hangs is killed."""
    try:
        _, errors = process.communicate(timeout=300)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
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


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds the worker in /proc")
def test_a_loader_that_dies_is_one_line_and_the_run_can_be_resumed(
    drawn_300w: Path, undisturbed: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    process = start(drawn_300w, out, "train.checkpoint_steps=1", "--hold")
    wait_for(out / "checkpoints" / "last.ckpt", process)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for child in children:  # others, such as multiprocessing's tracker of resources, run another script
        if SCRIPT.name in Path(f"/proc/{child}/cmdline").read_text():
            os.kill(int(child), signal.SIGKILL)
    (out / "go").touch()
    code, errors = finish(process)
    assert code == 2, errors
    assert "a process that loads photos has died" in errors.splitlines()[-1]
    assert "--resume" in errors.splitlines()[-1]
    assert "Traceback" not in errors

    process = start(drawn_300w, out, "train.checkpoint_steps=1", "--resume")
    assert finish(process)[0] == 0
    assert_same_weights(undisturbed, out)


def test_a_damaged_photo_is_one_line(drawn_300w: Path, tmp_path: Path) -> None:
    # In a process of its own: torch's traceback keeps the loader alive, whose workers would outlive a test.
    data = Path(shutil.copytree(drawn_300w, tmp_path / "data"))
    for photo in data.glob("afw/*.png"):
        photo.write_bytes(b"damaged")
    code, errors = finish(start(data, tmp_path / "run"))
    assert code == 2
    line = errors.splitlines()[-1]
    assert line.startswith(f"error: {data / 'afw' / 'face_'}")
    assert "is not an image that can be read" in line
    assert "Traceback" not in errors


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_save_and_can_be_resumed(
    drawn_300w: Path, undisturbed: Path, tmp_path: Path, kind: signal.Signals
) -> None:
    out = tmp_path / "stopped"
    last = out / "checkpoints" / "last.ckpt"
    process = start(
        drawn_300w, out, "train.checkpoint_steps=1", "--hold"
    )  # or it may be over before the signal
    wait_for(last, process)
    os.killpg(process.pid, kind)  # as a terminal does: the loader's worker hears it too
    (out / "go").touch()
    code, errors = finish(process)
    assert code == 128 + kind
    assert "--resume" in errors.splitlines()[-1]
    assert "Traceback" not in errors

    process = start(drawn_300w, out, "train.checkpoint_steps=1", "--resume")
    assert finish(process)[0] == 0
    assert_same_weights(undisturbed, out)


@pytest.mark.parametrize(
    ("overrides", "steps"),
    [
        (["train.accumulate=4"], [1, 2, 3, 4]),  # six batches an epoch: the second step is of two
        (["train.accumulate=3", "train.ema=null", "train.early_stop=1", "train.lr=1.0e-9"], [1, 2, 3]),
    ],
)
def test_every_checkpoint_of_a_run_leads_to_the_same_end(
    drawn_300w: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overrides: list[str], steps: list[int]
) -> None:
    """Also those at an epoch's end and the last: nothing is trained, validated or forgotten twice."""
    kept: dict[int, bytes] = {}
    save = KeepLast.save

    def save_and_keep(self: KeepLast, trainer: Any) -> None:
        save(self, trainer)
        assert trainer.global_step not in kept
        kept[trainer.global_step] = self.path.read_bytes()

    epochs = 4 if "train.early_stop=1" in overrides else 2
    recipe = tiny_recipe(
        drawn_300w, f"train.epochs={epochs}", "train.checkpoint_steps=1", "train.workers=0", *overrides
    )
    folder = RunFolder(tmp_path / "run")
    monkeypatch.setattr(KeepLast, "save", save_and_keep)
    expected = load_file(fit(recipe, folder.path, devices=1))
    monkeypatch.setattr(KeepLast, "save", save)
    best = folder.last.with_name("best.ckpt")
    best_epoch = torch.load(best, weights_only=True)["epoch"]
    sheets = sorted(path.name for path in folder.sheets.iterdir())
    assert sheets == ["epoch_000.jpg", "epoch_001.jpg"]

    assert list(kept) == [1, 2, 3, 4]
    for step in steps:
        folder.last.write_bytes(kept[step])
        folder.model.unlink()
        for sheet in sheets[step // 2 :]:
            (folder.sheets / sheet).unlink()
        found = load_file(fit(recipe, folder.path, resume=True, devices=1))
        for name, weights in expected.items():
            np.testing.assert_array_equal(found[name], weights, err_msg=f"{name}, from step {step}")
        assert sorted(path.name for path in folder.sheets.iterdir()) == sheets
        assert torch.load(best, weights_only=True)["epoch"] == best_epoch


def test_a_copy_of_the_best_checkpoint_can_be_resumed_from(drawn_300w: Path, tmp_path: Path) -> None:
    """It is from an epoch's validation, so that nothing is left of that epoch to do and to tell of."""
    recipe = tiny_recipe(drawn_300w, "train.workers=0")
    folder = RunFolder(tmp_path / "run")
    fit(recipe, folder.path, devices=1)
    shutil.copy(folder.last.with_name("best.ckpt"), folder.last)
    folder.model.unlink()
    fit(recipe, folder.path, resume=True, devices=1)
    assert folder.model.exists()


def test_resuming_a_run_that_has_ended_does_nothing(drawn_300w: Path, undisturbed: Path) -> None:
    model = undisturbed / "model.safetensors"
    written = model.stat().st_mtime_ns
    assert fit(tiny_recipe(drawn_300w), undisturbed, resume=True) == model
    assert model.stat().st_mtime_ns == written


def test_a_run_can_be_lengthened(drawn_300w: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """At a constant learning rate, where no schedule has to stretch, it ends as if it had been planned so."""
    steady = ["train.schedule=steps", "train.milestones=[]"]
    planned = fit(tiny_recipe(drawn_300w, "train.epochs=3", *steady), tmp_path / "planned", devices=1)
    longer = tiny_recipe(drawn_300w, "train.epochs=3", *steady)
    folder = RunFolder(tmp_path / "longer")
    fit(tiny_recipe(drawn_300w, "train.epochs=2", *steady), folder.path, devices=1)
    with caplog.at_level("INFO"):
        fit(longer, folder.path, resume=True, devices=1)
    assert f"{folder.path}: goes on to 3 epochs instead of 2; the schedule" in caplog.text
    assert "resuming at step 12" in caplog.text
    assert "from scratch" not in caplog.text
    expected, found = load_file(planned), load_file(folder.model)
    for name, weights in expected.items():
        np.testing.assert_array_equal(found[name], weights, err_msg=name)

    # From then on it is a run of three epochs.
    written = folder.model.stat().st_mtime_ns
    assert fit(longer, folder.path, resume=True) == folder.model
    assert folder.model.stat().st_mtime_ns == written
    with pytest.raises(InputError, match=r"another recipe[\s\S]*-  epochs: 3[\s\S]*\+  epochs: 2"):
        fit(tiny_recipe(drawn_300w, "train.epochs=2", *steady), folder.path, resume=True)


def test_a_longer_cosine_is_where_a_run_of_that_length_would_be(drawn_300w: Path, tmp_path: Path) -> None:
    fit(tiny_recipe(drawn_300w, "train.epochs=1"), tmp_path, devices=1)
    fit(tiny_recipe(drawn_300w, "train.epochs=2"), tmp_path, resume=True, devices=1)
    last = torch.load(RunFolder(tmp_path).last, weights_only=True)
    state = last["lr_schedulers"][0]
    assert state["last_epoch"] == last["global_step"] == 12
    assert state["_last_lr"] == [0.0, 0.0]
    logged = [path.read_text() for path in sorted(tmp_path.glob("logs/csv/version_1/metrics.csv"))]
    rows = list(csv.DictReader(logged[0].splitlines()))
    rates = [float(value) for row in rows for key, value in row.items() if key.startswith("lr-") and value]
    assert rates
    assert all(rate <= 0.002 / 2 + 1e-9 for rate in rates)  # the second half of a cosine from 0.002


def test_a_run_with_more_epochs_and_another_recipe_is_refused(drawn_300w: Path, undisturbed: Path) -> None:
    with pytest.raises(InputError) as caught:
        fit(tiny_recipe(drawn_300w, "train.epochs=9", "train.lr=0.1"), undisturbed, resume=True)
    assert "lr: 0.1" in str(caught.value)
    assert "epochs" not in str(caught.value)  # that one would be allowed
    assert (undisturbed / "model.safetensors").is_file()


def test_a_kill_loses_no_epoch_of_the_logs(drawn_300w: Path, tmp_path: Path) -> None:
    out = tmp_path / "killed"
    process = start(drawn_300w, out, "train.epochs=500")
    wait_for(out / "validation" / "epoch_001.jpg", process)
    os.killpg(process.pid, signal.SIGKILL)
    finish(process)
    with (out / "logs/csv/version_0/metrics.csv").open() as file:
        validated = [row["epoch"] for row in csv.DictReader(file) if row["val_nme"]]
    assert validated[0] == "0"


def test_weights_that_are_not_finite_are_not_saved(tmp_path: Path) -> None:
    network = torch.nn.Linear(1, 1)
    torch.nn.init.constant_(network.weight, float("nan"))
    trainer = SimpleNamespace(lightning_module=network, global_step=3)
    with pytest.raises(EfficientFanError, match="the weights are not finite after step 3"):
        KeepLast(tmp_path / "last.ckpt").save(trainer)


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
    assert "cannot be written (File too large); the checkpoint before is whole" in errors
    assert last.read_bytes() == before


def test_resume_with_another_recipe_is_refused_and_shows_the_difference(
    drawn_300w: Path, undisturbed: Path
) -> None:
    with pytest.raises(InputError, match=r"another recipe[\s\S]*-  lr: 0.002[\s\S]*\+  lr: 0.1"):
        fit(tiny_recipe(drawn_300w, "train.lr=0.1"), undisturbed, resume=True)


def test_a_recipe_that_was_written_before_a_key_was_known_is_no_other_recipe(
    drawn_300w: Path, tmp_path: Path
) -> None:
    recipe, folder = tiny_recipe(drawn_300w), RunFolder(tmp_path)
    folder.claim(recipe)
    folder.last.parent.mkdir()
    folder.last.touch()
    note = folder.recipe.read_text()
    folder.recipe.write_text(note.replace("  visibility: null\n", ""))
    assert folder.recipe.read_text() != note
    folder.check(recipe, resume=True)


def test_a_folder_in_use_is_refused(drawn_300w: Path, undisturbed: Path) -> None:
    with pytest.raises(InputError, match="holds a run already"):
        fit(tiny_recipe(drawn_300w), undisturbed)


def test_nothing_to_resume(drawn_300w: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no checkpoint to resume"):
        fit(tiny_recipe(drawn_300w), tmp_path, resume=True)


def test_a_checkpoint_is_never_overwritten_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where temporary files are on another device: a link to the former one keeps its content."""
    elsewhere = Path("/dev/shm")
    if not elsewhere.is_dir() or elsewhere.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs a second device")
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    monkeypatch.setenv("TMPDIR", str(elsewhere))
    trainer = _trainer(tiny_recipe(tmp_path), RunFolder(tmp_path), FIGURE, 1, 1)
    path = tmp_path / "last.ckpt"
    trainer.strategy.checkpoint_io.save_checkpoint({"step": 1}, path)
    (tmp_path / "former.ckpt").hardlink_to(path)
    former = path.read_bytes()
    trainer.strategy.checkpoint_io.save_checkpoint({"step": 2}, path)
    assert (tmp_path / "former.ckpt").read_bytes() == former
    assert torch.load(path, weights_only=True) == {"step": 2}


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "foreign"])
def test_a_damaged_checkpoint_is_one_line_with_the_way_out(
    drawn_300w: Path, undisturbed: Path, tmp_path: Path, damage: str
) -> None:
    out = Path(shutil.copytree(undisturbed, tmp_path / "run"))
    folder = RunFolder(out)
    folder.model.unlink()
    whole = folder.last.read_bytes()
    if damage == "foreign":
        torch.save({"state_dict": {}}, folder.last)
    else:
        folder.last.write_bytes({"cut": whole[: len(whole) // 2], "empty": b"", "text": b"hello"}[damage])
    with pytest.raises(InputError) as caught:
        fit(tiny_recipe(drawn_300w), out, resume=True, devices=1)
    message = str(caught.value)
    assert message.startswith(str(folder.last))
    assert "\n" not in message
    assert ("is no checkpoint of training" if damage == "foreign" else "remove it and start anew") in message
    folder.last.unlink()
    folder.check(tiny_recipe(drawn_300w), resume=False)  # the way out is open


def test_two_runs_into_one_folder_are_refused(drawn_300w: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = start(drawn_300w, out, "train.epochs=500")
    wait_for(out / "checkpoints" / "last.ckpt", process)
    recipe = tiny_recipe(drawn_300w, "train.epochs=500")
    with pytest.raises(InputError, match="another run is writing to this folder"):
        fit(recipe, out, resume=True, devices=1)
    assert process.poll() is None
    process.kill()  # not its workers, which die later
    process.wait()
    with RunFolder(out).lock():
        pass
    os.killpg(process.pid, signal.SIGKILL)
    finish(process)


def test_an_early_stopped_run_that_was_killed_before_its_model_does_not_train_further(
    drawn_300w: Path, tmp_path: Path
) -> None:
    recipe = tiny_recipe(
        drawn_300w, "train.epochs=9", "train.early_stop=1", "train.lr=1.0e-9", "train.workers=0"
    )
    folder = RunFolder(tmp_path / "run")
    expected = load_file(fit(recipe, folder.path, devices=1))
    stopped = torch.load(folder.last, weights_only=True)
    assert stopped["epoch"] < 8
    folder.model.unlink()
    found = load_file(fit(recipe, folder.path, resume=True, devices=1))
    assert torch.load(folder.last, weights_only=True)["global_step"] == stopped["global_step"]
    for name, weights in expected.items():
        np.testing.assert_array_equal(found[name], weights, err_msg=name)
