"""Distillation in the loop: it helps, and the teacher leaves no trace in what is written."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from by_heart import learn_by_heart
from drawn_faces import drawn_annotations, write_drawn_300w
from lightning import Trainer
from safetensors.numpy import load_file
from tiny_training import tiny_recipe

from efficientfan.models import load_checkpoint, save_checkpoint
from efficientfan.recipes import Recipe
from efficientfan.recipes.run_folder import RunFolder
from efficientfan.train import fit
from efficientfan.train.callbacks import KeepLast
from efficientfan.train.landmarks import LandmarkModule, validation_nme

SIZE = "model.input_size=64"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_drawn_300w(tmp_path_factory.mktemp("drawn"), train=8)


def train(recipe: Recipe, data: Path, steps: int, seed: int) -> tuple[LandmarkModule, float]:
    """A network trained on the eight faces as one batch, and its NME on them."""
    module, crops, points = learn_by_heart(recipe, data, steps=steps, seed=seed)
    # The running averages follow slowly; these are the statistics of the faces themselves.
    for norm in module.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.reset_running_stats()
            norm.momentum = 1.0
    with torch.no_grad():
        module(crops)
        found = module.eval()(crops).points
    return module, validation_nme(found.numpy(), points.numpy().astype(float), module.spec)


@pytest.fixture(scope="module")
def teacher(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MobileFAN that knows the eight faces by heart."""
    recipe = tiny_recipe(data, SIZE, "model.network=mobilefan")
    module, error = train(recipe, data, steps=120, seed=0)
    assert error < 0.03
    path = tmp_path_factory.mktemp("teacher") / "teacher.safetensors"
    save_checkpoint(path, module.deployed.network, module.spec)
    return path


@pytest.mark.parametrize("seed", [1, 2])
def test_a_teacher_helps_a_student_that_has_little_time(data: Path, teacher: Path, seed: int) -> None:
    alone = tiny_recipe(data, SIZE)
    helped = tiny_recipe(data, SIZE, f"distill={{teacher: {teacher}, terms: [{{kind: fs, weight: 10}}]}}")
    _, error_alone = train(alone, data, steps=30, seed=seed)
    _, error_helped = train(helped, data, steps=30, seed=seed)
    assert error_helped < 0.9 * error_alone


def test_a_run_writes_student_and_adapters_but_no_teacher(data: Path, teacher: Path, tmp_path: Path) -> None:
    terms = "[{kind: fa, weight: 0.01}, {kind: ps, weight: 0.01}]"
    recipe = tiny_recipe(
        data,
        SIZE,
        "train.epochs=1",
        "data.holdout.fraction=0.25",
        f"distill={{teacher: {teacher}, terms: {terms}}}",
    )
    model = fit(recipe, tmp_path / "run", devices=1)
    network, spec = load_checkpoint(model)  # refuses foreign weights
    assert spec.provenance["recipe"]["distill"]["teacher"] == "teacher.safetensors"

    state = torch.load(tmp_path / "run/checkpoints/last.ckpt", weights_only=True)
    names = {
        name.removeprefix("module.")
        for key in ("state_dict", "current_model_state")
        for name in state.get(key, ())
    }
    adapters = {name for name in names if ".adapters." in name}
    assert {name.split(".")[4] for name in adapters} == {"stage1", "stage2", "stage3"}
    assert not [name for name in names if "teacher" in name]
    trained = sum(len(group["params"]) for group in state["optimizer_states"][0]["param_groups"])
    assert trained == len(list(network.parameters())) + 3 * 3  # each adapter: a convolution, and a norm's two

    log = next((tmp_path / "run").rglob("metrics.csv")).read_text()
    assert "loss/distill/fa" in log
    assert "loss/distill/ps" in log


def write_unlabeled(root: Path) -> None:
    """Six drawn faces without landmarks, as data set `faces`, split `wild`."""
    (root / "wild").mkdir()
    faces = drawn_annotations(root / "wild", 6)
    boxes = [face.tight_box for face in faces]
    rows = [
        {"id": i, "image_id": i, "bbox": [x0 + 0.5, y0 + 0.5, x1 - x0, y1 - y0]}
        for i, (x0, y0, x1, y1) in enumerate(boxes)
    ]
    images = [{"id": i, "file_name": face.image.name} for i, face in enumerate(faces)]
    (root / "wild.json").write_text(json.dumps({"images": images, "annotations": rows}))


def test_a_run_with_all_of_it_can_be_resumed_exactly(
    data: Path, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two teachers, one of another size; mirrored; faces without landmarks; a ratio; weights that decay."""
    for name, value in {"FIRST_STEP": 1, "FIRST_MEASUREMENTS": 2, "EVERY_STEPS": 3}.items():
        monkeypatch.setattr(f"efficientfan.distill.weighting.{name}", value)
    network, spec = load_checkpoint(teacher)
    larger = tmp_path / "larger.safetensors"
    save_checkpoint(larger, network, replace(spec, input_size=96, mirror_offset=0.01))
    (tmp_path / "300w").symlink_to(data)
    write_unlabeled(tmp_path)
    recipe = tiny_recipe(
        tmp_path,
        SIZE,
        "train.epochs=2",
        "train.workers=0",
        "train.checkpoint_steps=1",
        "data.train=[{dataset: 300w, folder: 300w}, {dataset: faces, split: wild, weight: 0.5}]",
        f"distill={{teacher: [{teacher}, {larger}], mirrored: true, decay: linear, terms: "
        "[{kind: cwd, ratio: 0.5}, {kind: fa, weight: 0.1}]}",
    )
    folder = RunFolder(tmp_path / "run")
    save, kept = KeepLast.save, {}

    def save_and_keep(self: KeepLast, trainer: Trainer) -> None:
        save(self, trainer)
        kept[trainer.global_step] = folder.last.read_bytes()

    monkeypatch.setattr(KeepLast, "save", save_and_keep)
    expected = load_file(fit(recipe, folder.path, devices=1))
    monkeypatch.setattr(KeepLast, "save", save)
    state = torch.load(folder.last, weights_only=True)["current_model_state"]
    measured = next(value for name, value in state.items() if name.endswith("term_weights.measured"))
    assert measured.tolist() == [3, 3]
    log = next(folder.path.rglob("metrics.csv")).read_text()
    assert "ratio/cwd" in log
    assert "ratio/fa" in log

    assert len(kept) == 6
    folder.last.write_bytes(kept[2])
    folder.model.unlink()
    found = load_file(fit(recipe, folder.path, resume=True, devices=1))
    for name, weights in expected.items():
        np.testing.assert_array_equal(found[name], weights, err_msg=name)
