"""The objective with a teacher: whose gradients flow, what is state, and which teachers fit."""

import copy
import logging
from dataclasses import replace

import pytest
import torch

from efficientfan.distill import DistillationObjective, Teacher, load_teacher
from efficientfan.errors import InputError
from efficientfan.losses import Batch, Prediction
from efficientfan.models import build_network, save_checkpoint
from efficientfan.models.network import Normalize
from efficientfan.recipes.load import recipe_from_dict
from efficientfan.schema import get_schema
from efficientfan.spec import ModelSpec
from efficientfan.train.landmarks import build_spec, build_student
from efficientfan.train.objective import build_objective

TERMS = [
    {"kind": "fa", "weight": 0.5},
    {"kind": "ps", "weight": 2.0},
    {"kind": "cwd", "levels": ["heatmaps"]},
    {"kind": "cwd", "name": "cwd_stage", "levels": ["stage3"]},
]


def warmed(network):
    """With the batch statistics of some noise: a new network's own let every map vanish in eval mode."""
    norms = [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    network.train()(torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(3)))
    return network


def make_recipe(teacher, terms=TERMS):
    return recipe_from_dict(
        {
            "name": "small",
            "data": {"schema": "five", "train": [{"dataset": "300w"}]},
            "model": {"network": "mobilefan_050", "input_size": 64},
            "distill": {"teacher": None if teacher is None else str(teacher), "terms": terms},
        }
    )


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("teacher") / "teacher.safetensors"
    recipe = make_recipe(path)
    network = warmed(build_network("mobilefan_050", 5, decoder_channels=32))
    spec = build_spec(recipe, network)
    save_checkpoint(path, network, replace(spec, network={"name": "mobilefan_050", "decoder_channels": 32}))
    return recipe


@pytest.fixture(scope="module")
def student(recipe):
    return warmed(build_student(recipe))


@pytest.fixture
def objective(recipe, student):
    student.zero_grad()
    return build_objective(recipe, student, build_spec(recipe, student))


@pytest.fixture
def batch():
    draw = torch.Generator().manual_seed(1)
    points = 64 * torch.rand(2, 5, 2, generator=draw)
    return Batch(torch.randn(2, 3, 64, 64, generator=draw), points, torch.ones(2, 5))


def parts_of(objective, student, batch):
    return objective(Prediction(student(batch.images), batch.points), batch)


def test_the_parts_are_the_bases_and_the_terms_with_their_weights(objective, student, batch):
    student.eval()
    parts = parts_of(objective, student, batch)
    assert list(parts) == ["heatmap", "distill/fa", "distill/ps", "distill/cwd", "distill/cwd_stage"]
    term = objective.distill["ps"](student(batch.images), objective.teacher(batch.images), batch)
    assert parts["distill/ps"].item() == pytest.approx(2 * term.item())
    assert all(part.ndim == 0 and part > 0 for part in parts.values())


def test_gradient_reaches_student_and_adapters_only(objective, student, batch):
    student.train()
    torch.stack(list(parts_of(objective, student, batch).values())).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in student.parameters())
    assert all(p.grad is not None for p in objective.parameters())
    assert all(p.grad is None and not p.requires_grad for p in objective.teacher.network.parameters())


def test_the_teacher_is_no_state_of_the_objective(objective):
    held = {id(p) for p in objective.parameters()} | {id(b) for b in objective.buffers()}
    network = objective.teacher.network
    assert held.isdisjoint(id(t) for t in (*network.parameters(), *network.buffers()))
    assert {name.partition(".")[0] for name in objective.state_dict()} == {"distill"}
    assert copy.deepcopy(objective).teacher.network is network


def test_the_teacher_stays_in_eval_mode_and_as_it_was(objective, student, batch):
    before = {name: t.clone() for name, t in objective.teacher.network.state_dict().items()}
    objective.train()
    parts_of(objective, student.train(), batch)
    assert not any(module.training for module in objective.teacher.network.modules())
    after = objective.teacher.network.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_the_teacher_runs_under_the_callers_autocast(objective, batch):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = objective.teacher(batch.images)
    assert output.features[-1].dtype == torch.bfloat16
    assert not output.heatmaps.requires_grad


def test_under_autocast_the_parts_are_float32_all_the_same(objective, student, batch):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        parts = parts_of(objective, student.train(), batch)
    assert all(part.dtype == torch.float32 and part.isfinite() for part in parts.values())


def test_a_teacher_moves_with_the_images():
    teacher = Teacher(build_network("mobilefan_050", 5))
    assert teacher(torch.zeros(1, 3, 32, 32, device="meta")).heatmaps.device.type == "meta"


def save_teacher(path, network, **changes):
    name, options = network
    net = build_network(name, changes.get("schema", get_schema("five")).n_landmarks, **options)
    fields = {
        "name": "t", "network": {"name": name, **options}, "schema": get_schema("five"), "input_size": 64,
        "stride": net.stride, "crop_margin": 0.25, "decoder": {"name": "quarter"},
    }  # fmt: skip
    save_checkpoint(path, net, ModelSpec(**{**fields, **changes}))
    return path


@pytest.mark.parametrize(
    ("network", "changes", "message"),
    [
        (
            ("mobilefan_050", {}),
            {"schema": get_schema("aflw19")},
            "landmarks: teacher 19 of aflw19.*student 5 of five",
        ),
        (
            ("mobilefan_050", {}),
            {"input_size": 128},
            "input size: teacher 128, student 64; sides of the maps",
        ),
        (("mobilefan_050", {"stages": 2}), {}, "sides of the maps: teacher .'encoder': 2, 'stage1': 4"),
    ],
)
def test_a_teacher_that_does_not_fit_is_refused_with_what_differs(
    tmp_path, recipe, student, network, changes, message
):
    path = save_teacher(tmp_path / "other.safetensors", network, **changes)
    with pytest.raises(
        InputError, match=f"other.safetensors: this teacher does not fit the student .{message}"
    ):
        load_teacher(path, student, build_spec(recipe, student))


def test_a_teacher_of_another_normalization_sees_the_same_pixels(tmp_path, recipe, student):
    mean, std = (0.5, 0.4, 0.3), (0.1, 0.2, 0.4)
    path = save_teacher(tmp_path / "t.safetensors", ("mobilefan_050", {}), mean=mean, std=std)
    spec = build_spec(recipe, student)
    crops = torch.randint(
        0, 256, (2, 64, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    teacher = load_teacher(path, student, spec)
    expected = teacher.network(Normalize(mean, std)(crops)).heatmaps
    found = teacher(Normalize(spec.mean, spec.std)(crops)).heatmaps
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_another_crop_margin_is_said(tmp_path, recipe, student, caplog):
    path = save_teacher(tmp_path / "t.safetensors", ("mobilefan_050", {}), crop_margin=0.5)
    with caplog.at_level(logging.WARNING):
        load_teacher(path, student, build_spec(recipe, student))
    assert "crop margin 0.5, the student has 0.25" in caplog.text


def test_a_missing_teacher_file_or_entry_is_one_line(tmp_path, student):
    missing = make_recipe(tmp_path / "none.safetensors")
    with pytest.raises(InputError, match=r"none\.safetensors"):
        build_objective(missing, student, build_spec(missing, student))
    unnamed = make_recipe(None)
    with pytest.raises(InputError, match=r"add --set distill\.teacher="):
        build_objective(unnamed, student, build_spec(unnamed, student))


def test_an_unknown_option_of_a_term_is_one_line(recipe, student):
    wrong = make_recipe(recipe.distill.teacher, [{"kind": "fs", "options": {"temperature": 2}}])
    with pytest.raises(InputError, match=r"term 'fs'.*unexpected keyword argument 'temperature'"):
        build_objective(wrong, student, build_spec(wrong, student))


def test_without_distill_there_is_no_teacher(recipe, student):
    plain = recipe.model_copy(update={"distill": None})
    assert not isinstance(build_objective(plain, student, build_spec(plain, student)), DistillationObjective)
