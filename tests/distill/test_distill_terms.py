"""Every term against a slow transcription of its formula in float64, position by position."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from efficientfan.distill import TERMS, Channels, DistillationTerm, find_term
from efficientfan.errors import InputError
from efficientfan.losses import Batch
from efficientfan.models import NetworkOutput

STAGES = {"encoder": (5, 4), "stage1": (3, 8), "stage2": (3, 16)}  # level: channels, side
TEACHER = {"encoder": (7, 4), "stage1": (6, 8), "stage2": (6, 16)}
N, K = 2, 4
SHARES = (1 / 3, 2 / 3)  # of the faces of `batch`, by their heaviest landmarks
CHANNELS = Channels(
    {**{level: c for level, (c, _) in STAGES.items()}, "heatmaps": K},
    {**{level: c for level, (c, _) in TEACHER.items()}, "heatmaps": K},
)


def output(stages: dict[str, tuple[int, int]], seed: int) -> NetworkOutput:
    draw = torch.Generator().manual_seed(seed)

    def maps(channels: int, side: int) -> Tensor:
        return torch.randn(N, channels, side, side, dtype=torch.float64, generator=draw)

    features = tuple(maps(*shape).requires_grad_() for shape in stages.values())
    return NetworkOutput(maps(K, 16).requires_grad_(), features)


@pytest.fixture
def student() -> NetworkOutput:
    return output(STAGES, 1)


@pytest.fixture
def teacher() -> NetworkOutput:
    frozen = output(TEACHER, 2)
    return NetworkOutput(frozen.heatmaps.detach(), tuple(f.detach() for f in frozen.features))


@pytest.fixture
def batch() -> Batch:
    weights = torch.tensor([[1.0, 0.0, 1.0, 0.5], [1.0, 1.0, 0.0, 2.0]], dtype=torch.float64)
    return Batch(torch.zeros(N, 3, 8, 8), torch.zeros(N, K, 2), weights)


def term(kind: str, **options: object) -> DistillationTerm:
    torch.manual_seed(0)
    return find_term(kind)(CHANNELS, **options).double()


def affinities(maps: Tensor) -> Tensor:
    """(P, P) cosines between all positions of one map (C, H, W)."""
    vectors = [maps[:, y, x] for y in range(maps.shape[1]) for x in range(maps.shape[2])]
    return torch.stack([torch.stack([a @ b / (a.norm() * b.norm()) for b in vectors]) for a in vectors])


def by_face(difference: Tensor) -> float:
    """Mean square of each face, the faces by their shares."""
    return sum(difference[image].square().mean().item() * SHARES[image] for image in range(N))


def pooled(maps: Tensor, side: int) -> Tensor:
    c, h, w = maps.shape
    return maps.reshape(c, h // side, side, w // side, side).mean(dim=(2, 4))


def test_feature_similarity_is_the_papers_sum(student, teacher, batch):
    expected = 0.0
    for index in (0, 1):
        s, t = student.features[index], teacher.features[index]
        positions = s.shape[2] * s.shape[3]
        for image in range(N):
            difference = affinities(s[image]) - affinities(t[image])
            expected += difference.square().sum().item() / positions**2 * SHARES[image]
    assert term("fs", levels=["encoder", "stage1"])(student, teacher, batch).item() == pytest.approx(
        expected, rel=1e-12
    )


@pytest.mark.parametrize("channels", [2, 40])  # fewer and more than the 16 positions: both ways to compute it
def test_both_ways_of_affinity_distance_agree_with_the_definition(channels):
    from efficientfan.distill.affinity import affinity_distance

    torch.manual_seed(3)
    s = torch.randn(1, 3, 4, 4, dtype=torch.float64)
    t = torch.randn(1, channels, 4, 4, dtype=torch.float64)
    expected = (affinities(s[0]) - affinities(t[0])).square().mean()
    assert affinity_distance(s, t).tolist() == pytest.approx([expected.item()], rel=1e-12)


def test_a_dead_position_is_unlike_everything_and_has_a_finite_gradient():
    from efficientfan.distill.affinity import affinity_distance

    s = torch.ones(1, 2, 2, 2, dtype=torch.float64)
    s[:, :, 0, 0] = 0
    s.requires_grad_()
    distance = affinity_distance(s, torch.ones(1, 2, 2, 2, dtype=torch.float64))
    assert distance.item() == pytest.approx(7 / 16)  # its row and column, 7 of 16 affinities, are 0, not 1
    distance.backward()
    assert s.grad.isfinite().all()


def test_patch_similarity_is_the_papers_sum(student, teacher, batch):
    expected = 0.0
    for index in (0, 1):
        s, t = student.features[index], teacher.features[index]
        n = round(math.log2(s.shape[2]))
        for image in range(N):
            for k in range(n):
                a_s, a_t = affinities(pooled(s[image], 2**k)), affinities(pooled(t[image], 2**k))
                assert a_s.shape[0] == 4 ** (n - k)
                expected += ((a_s - a_t).square().sum() / 16 ** (n - k)).item() / n * SHARES[image]
    found = term("ps", levels=["encoder", "stage1"])(student, teacher, batch)
    assert found.item() == pytest.approx(expected, rel=1e-12)


def test_feature_aligned_in_mobilefans_form(student, teacher, batch):
    fa = term("fa", levels=["stage1", "stage2"])
    expected = 0.0
    for index, level in ((1, "stage1"), (2, "stage2")):
        conv, norm, _ = fa.adapters[level]
        assert conv.bias is None
        mixed = torch.einsum("oc,nchw->nohw", conv.weight[:, :, 0, 0], student.features[index])
        mean, variance = mixed.mean(dim=(0, 2, 3)), mixed.var(dim=(0, 2, 3), unbiased=False)
        normed = (mixed - mean[:, None, None]) / (variance[:, None, None] + norm.eps).sqrt()
        expected += by_face(normed.clamp(min=0) - teacher.features[index])
    assert fa(student, teacher, batch).item() == pytest.approx(expected, rel=1e-12)


def test_feature_aligned_in_efficientfans_form(student, teacher, batch):
    levels = ["encoder", "stage1", "stage2"]
    fa = term("fa", levels=levels, adapter="conv")
    expected = 0.0
    for index, level in enumerate(levels):
        conv = fa.adapters[level]
        mixed = torch.einsum("oc,nchw->nohw", conv.weight[:, :, 0, 0], student.features[index])
        expected += by_face(mixed + conv.bias[:, None, None] - teacher.features[index])
    assert fa(student, teacher, batch).item() == pytest.approx(expected, rel=1e-12)


def test_attention_transfer_as_in_the_authors_code(student, teacher, batch):
    expected = 0.0
    for index in (1, 2):
        for image in range(N):
            q_s, q_t = (o.features[index][image].square().mean(dim=0).flatten() for o in (student, teacher))
            expected += (q_s / q_s.norm() - q_t / q_t.norm()).square().mean().item() * SHARES[image]
    found = term("at", levels=["stage1", "stage2"])(student, teacher, batch)
    assert found.item() == pytest.approx(expected, rel=1e-12)


def test_soft_heatmaps_count_labeled_landmarks_by_their_weight(student, teacher, batch):
    total = 0.0
    for image in range(N):
        for k in range(K):
            error = (student.heatmaps[image, k] - teacher.heatmaps[image, k]).square().mean().item()
            total += error * batch.weights[image, k].item()
    expected = total / batch.weights.sum().item()
    assert term("soft")(student, teacher, batch).item() == pytest.approx(expected, rel=1e-12)


def divergence(s: Tensor, t: Tensor, temperature: float) -> float:
    p, q = (maps.flatten() / temperature for maps in (t, s))
    p, q = p.exp() / p.exp().sum(), q.exp() / q.exp().sum()
    return temperature**2 * (p * (p / q).log()).sum().item()


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_channel_wise_on_heatmaps_counts_labeled_landmarks(student, teacher, batch, temperature):
    total = sum(
        divergence(student.heatmaps[i, k], teacher.heatmaps[i, k], temperature) * batch.weights[i, k].item()
        for i in range(N)
        for k in range(K)
    )
    expected = total / batch.weights.sum().item()
    found = term("cwd", temperature=temperature)(student, teacher, batch)
    assert found.item() == pytest.approx(expected, rel=1e-12)


def test_channel_wise_on_features_matches_the_channels_first(student, teacher, batch):
    cwd = term("cwd", levels=["stage1"])
    matched, t = cwd.matchers["stage1"](student.features[1]), teacher.features[1]
    expected = sum(
        divergence(matched[i, c], t[i, c], 1.0) * SHARES[i] / 6 for i in range(N) for c in range(6)
    )
    assert cwd(student, teacher, batch).item() == pytest.approx(expected, rel=1e-12)


def test_pearson_is_one_minus_the_correlation(student, teacher, batch):
    pkd = term("pkd", levels=["stage1"])
    matched, t = pkd.matchers["stage1"](student.features[1]), teacher.features[1]
    r = [torch.corrcoef(torch.stack([matched[:, c].flatten(), t[:, c].flatten()]))[0, 1] for c in range(6)]
    expected = 1 - torch.stack(r).mean().item()
    alike = replace(batch, teaching_weights=torch.ones(N, K, dtype=torch.float64))
    assert pkd(student, teacher, alike).item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("kind", sorted(set(TERMS) - {"fa"}))
def test_a_student_like_its_teacher_loses_nothing(kind, teacher, batch):
    same = Channels(CHANNELS.teacher, CHANNELS.teacher)
    loss = TERMS[kind](same, [*TEACHER, "heatmaps"]) if kind != "soft" else TERMS[kind](same)
    assert abs(loss(teacher, teacher, batch).item()) < 1e-14


@pytest.mark.parametrize("adapter", ["conv", "conv_bn_relu"])
def test_feature_aligned_is_zero_where_the_adapted_map_is_the_teachers(adapter, student, teacher, batch):
    fa = term("fa", levels=["stage1"], adapter=adapter)
    adapted = fa.adapters["stage1"](student.features[1]).detach()
    twin = NetworkOutput(teacher.heatmaps, (teacher.features[0], adapted, teacher.features[2]))
    assert fa(student, twin, batch).item() == 0


@pytest.mark.parametrize("kind", sorted(TERMS))
def test_gradient_reaches_the_compared_maps_and_every_adapter(kind, student, teacher, batch):
    level = "heatmaps" if kind == "soft" else "stage1"
    loss = term(kind, levels=[level])
    loss(student, teacher, batch).backward()
    compared = student.heatmaps if level == "heatmaps" else student.features[1]
    assert compared.grad.abs().sum() > 0
    others = [t for t in (student.heatmaps, *student.features) if t is not compared]
    assert all(t.grad is None for t in others)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in loss.parameters())


def test_half_precision_maps_are_compared_in_float32(teacher, batch):
    halves = [
        NetworkOutput(o.heatmaps.bfloat16(), tuple(f.bfloat16() for f in o.features))
        for o in (output(TEACHER, 5), teacher)
    ]
    exact = [NetworkOutput(o.heatmaps.double(), tuple(f.double() for f in o.features)) for o in halves]
    loss = TERMS["fs"](Channels(CHANNELS.teacher, CHANNELS.teacher), ["stage1", "stage2"])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = loss(*halves, batch)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(loss(*exact, batch).item(), abs=1e-6)


def test_a_level_or_option_that_does_not_exist_is_refused():
    with pytest.raises(
        InputError, match=r"no level 'stage3'; the networks have encoder, stage1, stage2, heatmaps"
    ):
        term("fs", levels=["stage3"])
    with pytest.raises(InputError, match="adapter is conv_bn_relu or conv, not 'linear'"):
        term("fa", levels=["stage1"], adapter="linear")
    with pytest.raises(InputError, match="temperature must be above 0"):
        term("cwd", temperature=0.0)


class Mine(DistillationTerm):
    """A term of one's own is one class."""

    default_levels = ("stage1",)

    def compare(self, level: str, student: Tensor, teacher: Tensor, batch: Batch) -> Tensor:
        return (student.mean() - teacher.mean()).abs()


class PerFace(Mine):
    """One value per face: 0, 1, ..."""

    def compare(self, level: str, student: Tensor, teacher: Tensor, batch: Batch) -> Tensor:
        return torch.arange(N, dtype=torch.float64)


class PerChannel(Mine):
    """Neither a scalar nor one value per face."""

    def compare(self, level: str, student: Tensor, teacher: Tensor, batch: Batch) -> Tensor:
        return student.mean(dim=(2, 3))


def test_a_term_of_ones_own_is_found_by_its_import_string(student, teacher, batch):
    found = find_term(f"{__name__}:Mine")
    expected = (student.features[1].mean() - teacher.features[1].mean()).abs()
    assert found(CHANNELS)(student, teacher, batch).item() == pytest.approx(expected.item())


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("fsp", "unknown distillation term 'fsp'; did you mean 'fs'\\? known are fa, fs"),
        ("nowhere:Thing", "there is no module 'nowhere'; install it, set PYTHONPATH"),
        ("math:Thing", "math has no 'Thing'"),
        ("pathlib:Path", "is not a subclass"),
        (":Path", "unknown distillation term ':Path'"),
    ],
)
def test_a_wrong_kind_is_refused(kind, message):
    with pytest.raises(InputError, match=message):
        find_term(kind)


def test_values_per_face_are_averaged_by_the_weights_of_the_faces(student, teacher, batch):
    mean = PerFace(CHANNELS, ["stage1", "stage2"])
    assert mean(student, teacher, batch).item() == pytest.approx(2 * SHARES[1])
    unlabeled = replace(
        batch, weights=torch.zeros(N, K), teaching_weights=torch.tensor([[0.0] * K, [0.5] * K])
    )
    assert mean(student, teacher, unlabeled).item() == pytest.approx(2.0)


def test_a_face_without_weight_does_not_count_in_any_term(student, teacher, batch):
    alone = replace(batch, teaching_weights=torch.tensor([[1.0] * K, [0.0] * K], dtype=torch.float64))
    for kind in sorted(set(TERMS) - {"pkd"}):  # its variances are of the whole batch
        levels = ["heatmaps"] if kind == "soft" else ["stage1"]
        options = {"adapter": "conv"} if kind == "fa" else {}
        loss = term(kind, levels=levels, **options)
        first = [
            NetworkOutput(o.heatmaps[:1], tuple(maps[:1] for maps in o.features)) for o in (student, teacher)
        ]
        single = replace(batch, weights=torch.ones(1, K, dtype=torch.float64))
        assert loss(student, teacher, alone).item() == pytest.approx(loss(*first, single).item()), kind


def test_another_shape_than_faces_is_refused(student, teacher, batch):
    with pytest.raises(InputError, match=r"PerChannel.compare returns a scalar.*2 faces, not \(2, 3\)"):
        PerChannel(CHANNELS)(student, teacher, batch)
