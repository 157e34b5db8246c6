"""Distillation in the loop: it helps, and the teacher leaves no trace in what is written."""

from pathlib import Path

import pytest
import torch
from by_heart import learn_by_heart
from drawn_faces import write_drawn_300w
from tiny_training import tiny_recipe

from efficientfan.models import load_checkpoint, save_checkpoint
from efficientfan.recipes import Recipe
from efficientfan.train import fit
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
