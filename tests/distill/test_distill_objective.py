"""The objective with a teacher: whose gradients flow, what is state, and which teachers fit."""

import copy
from dataclasses import replace

import pytest
import torch

from efficientfan.distill import DistillationObjective
from efficientfan.errors import InputError
from efficientfan.losses import Batch, Prediction
from efficientfan.models import build_network, save_checkpoint
from efficientfan.recipes.load import recipe_from_dict
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
    crops = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8, generator=draw)
    return Batch(torch.randn(2, 3, 64, 64, generator=draw), points, torch.ones(2, 5), crops={64: crops})


def parts_of(objective, student, batch):
    return objective(Prediction(student(batch.images), batch.points), batch)


def test_the_parts_are_the_bases_and_the_terms_with_their_weights(objective, student, batch):
    student.eval()
    parts = parts_of(objective, student, batch)
    assert list(parts) == ["heatmap", "distill/fa", "distill/ps", "distill/cwd", "distill/cwd_stage"]
    term = objective.distill["ps"](student(batch.images), objective.teachers(batch.crops), batch)
    assert parts["distill/ps"].item() == pytest.approx(2 * term.item())
    assert all(part.ndim == 0 and part > 0 for part in parts.values())


def test_gradient_reaches_student_and_adapters_only(objective, student, batch):
    student.train()
    torch.stack(list(parts_of(objective, student, batch).values())).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in student.parameters())
    assert all(p.grad is not None for p in objective.parameters())
    assert all(
        p.grad is None and not p.requires_grad for p in objective.teachers.teachers[0].network.parameters()
    )


def test_the_teacher_is_no_state_of_the_objective(objective):
    held = {id(p) for p in objective.parameters()} | {id(b) for b in objective.buffers()}
    network = objective.teachers.teachers[0].network
    assert held.isdisjoint(id(t) for t in (*network.parameters(), *network.buffers()))
    assert {name.partition(".")[0] for name in objective.state_dict()} == {"distill", "term_weights"}
    assert copy.deepcopy(objective).teachers.teachers[0].network is network


def test_the_teacher_stays_in_eval_mode_and_as_it_was(objective, student, batch):
    network = objective.teachers.teachers[0].network
    before = {name: t.clone() for name, t in network.state_dict().items()}
    objective.train()
    parts_of(objective, student.train(), batch)
    assert not any(module.training for module in network.modules())
    after = network.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_the_teacher_runs_under_the_callers_autocast(objective, batch):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = objective.teachers(batch.crops)
    assert output.features[-1].dtype == torch.bfloat16
    assert not output.heatmaps.requires_grad


def test_under_autocast_the_parts_are_float32_all_the_same(objective, student, batch):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        parts = parts_of(objective, student.train(), batch)
    assert all(part.dtype == torch.float32 and part.isfinite() for part in parts.values())


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


def without_warm_up(monkeypatch):
    for name, value in {"FIRST_STEP": 1, "FIRST_MEASUREMENTS": 2, "EVERY_STEPS": 5}.items():
        monkeypatch.setattr(f"efficientfan.distill.weighting.{name}", value)


def gradient_norm(loss, student):
    gradients = torch.autograd.grad(loss, list(student.parameters()), retain_graph=True, allow_unused=True)
    return sum(each.square().sum() for each in gradients if each is not None).sqrt().item()


def test_a_term_given_by_ratio_pulls_on_the_student_by_that_share_of_the_base_loss(
    recipe, student, batch, monkeypatch
):
    without_warm_up(monkeypatch)
    terms = [{"kind": "fa", "ratio": 0.3}, {"kind": "cwd", "weight": 2.0}]
    ours = make_recipe(recipe.distill.teacher, terms)
    objective = build_objective(ours, student, build_spec(ours, student)).train()
    student.eval()  # the same batch gives the same gradients
    assert parts_of(objective, student, batch)["distill/fa"] == 0  # nothing is known yet
    assert objective.notes == {}
    parts = parts_of(objective, student, batch)
    share = gradient_norm(parts["distill/fa"], student) / gradient_norm(parts["heatmap"], student)
    assert share == pytest.approx(0.3, rel=1e-3)
    assert objective.notes["ratio/fa"].item() == pytest.approx(0.3, rel=1e-3)
    given = gradient_norm(parts["distill/cwd"], student) / gradient_norm(parts["heatmap"], student)
    assert objective.notes["ratio/cwd"].item() == pytest.approx(given, rel=1e-3)


def test_a_weight_that_drowns_the_landmarks_is_said_once(recipe, student, batch, monkeypatch, caplog):
    without_warm_up(monkeypatch)
    terms = [{"kind": "fa", "weight": 1e6}, {"kind": "cwd", "ratio": 50}, {"kind": "fs", "weight": 1e-9}]
    ours = make_recipe(recipe.distill.teacher, terms)
    objective = build_objective(ours, student, build_spec(ours, student)).train()
    for _ in range(5):
        parts_of(objective, student.eval(), batch)
    said = [record.getMessage() for record in caplog.records if "drowns" in record.getMessage()]
    assert len(said) == 1
    assert said[0].startswith("distillation term fa, weight 1e+06: its gradient is ")


@pytest.mark.parametrize(("decay", "left"), [("none", 1.0), ("linear", 0.75), ("cosine", 0.8535534)])
def test_weights_decay_with_the_progress_of_the_run(recipe, student, batch, decay, left):
    ours = recipe.model_copy(update={"distill": recipe.distill.model_copy(update={"decay": decay})})
    objective = build_objective(ours, student.eval(), build_spec(ours, student)).eval()
    start, later, end = (
        parts_of(objective, student, replace(batch, progress=progress)) for progress in (0.0, 0.25, 1.0)
    )
    assert later["heatmap"] == start["heatmap"]
    for name in ("distill/fa", "distill/ps", "distill/cwd"):
        assert later[name].item() == pytest.approx(left * start[name].item())
        assert (end[name].item() == pytest.approx(0, abs=1e-9)) == (decay != "none")


def test_mirrored_needs_a_term_on_heatmaps(recipe, student):
    distill = recipe.distill.model_copy(update={"mirrored": True, "terms": recipe.distill.terms[:2]})
    ours = recipe.model_copy(update={"distill": distill})
    with pytest.raises(InputError, match=r"distill\.mirrored averages heatmaps, and no term compares them"):
        build_objective(ours, student, build_spec(ours, student))
