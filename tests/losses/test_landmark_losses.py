"""Losses against transcriptions of the papers' formulas, number by number in float64."""

import math

import pytest
import torch

from efficientfan.codec import gaussian_heatmaps
from efficientfan.errors import InputError
from efficientfan.losses import Batch, CoordinateLoss, HeatmapLoss, Objective, Prediction, VisibilityLoss
from efficientfan.losses.landmarks import (
    HEATMAP_KINDS,
    adaptive_wing,
    smooth_l1,
    softmax_cross_entropy,
    squared_error,
    wing,
)
from efficientfan.losses.objective import weighted_mean
from efficientfan.models import NetworkOutput

N, K, SIDE, STRIDE, SIGMA = 2, 3, 8, 4, 1.0


@pytest.fixture
def targets():
    points = 32 * torch.rand(N, K, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return gaussian_heatmaps(points, torch.ones(N, K), heatmap_size=SIDE, stride=STRIDE, sigma=SIGMA)


@pytest.fixture
def maps(targets):
    noise = torch.randn(targets.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return targets + 0.5 * noise  # on both sides of theta = 0.5


def cells(plane):
    return [(row, column) for row in range(plane.shape[0]) for column in range(plane.shape[1])]


def slow_squared_error(y, t):
    return sum((y[c] - t[c]) ** 2 for c in cells(t)) / len(cells(t))


def slow_softmax_cross_entropy(y, t):
    """Kullback-Leibler divergence of the softmax from the target made to sum to one."""
    total, partition = t.sum(), sum(math.exp(y[c]) for c in cells(t))
    return sum(t[c] / total * math.log(t[c] / total / (math.exp(y[c]) / partition)) for c in cells(t))


def slow_adaptive_wing(y, t, omega=14.0, theta=0.5, epsilon=1.0, alpha=2.1):
    """Wang, Bo & Fuxin, ICCV 2019: equation 3, times the weight map of their section 4.3 (W = 10)."""
    total = 0.0
    for row, column in cells(t):
        value, distance = t[row, column], abs(y[row, column] - t[row, column])
        power = alpha - value
        if distance < theta:
            loss = omega * math.log(1 + (distance / epsilon) ** power)
        else:
            a = omega / (1 + (theta / epsilon) ** power) * power * (theta / epsilon) ** (power - 1) / epsilon
            c = theta * a - omega * math.log(1 + (theta / epsilon) ** power)
            loss = a * distance - c
        dilated = t[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2].max()
        total += loss * (11 if dilated >= 0.2 else 1)
    return total / len(cells(t))


@pytest.mark.parametrize(
    ("fast", "slow"),
    [
        (squared_error, slow_squared_error),
        (softmax_cross_entropy, slow_softmax_cross_entropy),
        (adaptive_wing, slow_adaptive_wing),
    ],
)
def test_heatmap_losses_are_their_formulas(fast, slow, maps, targets):
    found = fast(maps, targets)
    assert found.shape == (N, K)
    for n in range(N):
        for k in range(K):
            expected = slow(maps[n, k].numpy(), targets[n, k].numpy())
            assert found[n, k].item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("kind", HEATMAP_KINDS)
def test_heatmap_losses_are_zero_with_a_finite_gradient_at_the_target(kind, targets):
    y = (targets.log() if kind == "softmax_ce" else targets).requires_grad_()
    loss = HEATMAP_KINDS[kind](y, targets.detach())
    loss.sum().backward()
    assert loss.abs().max() < 1e-11
    assert y.grad.abs().max() < 1e-9


def test_wing_is_its_formula():
    w, epsilon = 15.0, 3.0
    c = w - w * math.log(1 + w / epsilon)
    for d in (0.0, 0.5, 3.0, 14.999, 15.0, 40.0):
        expected = w * math.log(1 + d / epsilon) if d < w else d - c
        assert wing(torch.tensor(d, dtype=torch.float64)).item() == pytest.approx(expected, rel=1e-12)


def test_smooth_l1_is_torchs_own():
    d = torch.tensor([0.0, 0.05, 0.1, 0.3, 2.0], dtype=torch.float64)
    expected = torch.nn.functional.smooth_l1_loss(d, torch.zeros_like(d), beta=0.1, reduction="none")
    torch.testing.assert_close(smooth_l1(d, beta=0.1), expected)


def sample():
    draw = torch.Generator().manual_seed(2)
    points = 32 * torch.rand(N, K, 2, generator=draw)
    weights = torch.tensor([[1.0, 0.0, 2.0], [0.0, 1.0, 1.0]])
    batch = Batch(torch.zeros(N, 3, 32, 32), points, weights)
    output = NetworkOutput(torch.randn(N, K, SIDE, SIDE, generator=draw), ())
    return Prediction(output, points + torch.randn(points.shape, generator=draw)), batch


def test_coordinate_loss_is_the_mean_over_both_axes_and_the_labeled_landmarks():
    prediction, batch = sample()
    total = 0.0
    for n in range(N):
        for k in range(K):
            d = (prediction.points[n, k] - batch.points[n, k]).abs() / STRIDE
            each = [0.5 * v**2 / 0.2 if v < 0.2 else v - 0.1 for v in d.tolist()]
            total += batch.weights[n, k].item() * sum(each) / 2
    found = CoordinateLoss("smooth_l1", STRIDE, beta=0.2)(prediction, batch)
    assert found.item() == pytest.approx(total / batch.weights.sum().item(), rel=1e-5)


@pytest.mark.parametrize("kind", HEATMAP_KINDS)
def test_unlabeled_landmarks_have_no_say_in_the_heatmap_loss(kind):
    prediction, batch = sample()
    loss = HeatmapLoss(kind, STRIDE, SIGMA)
    heatmaps = prediction.output.heatmaps.clone()
    heatmaps[batch.weights == 0] = 1e3
    points = batch.points.clone()
    points[batch.weights == 0] = 0
    other = loss(
        Prediction(NetworkOutput(heatmaps, ()), prediction.points), Batch(batch.images, points, batch.weights)
    )
    assert other.item() == loss(prediction, batch).item()


def test_weighted_mean_weighs_and_bears_an_empty_mask():
    values, weights = torch.tensor([[1.0, 5.0, 2.0]]), torch.tensor([[1.0, 0.0, 3.0]])
    assert weighted_mean(values, weights).item() == pytest.approx(7 / 4)
    assert weighted_mean(values, torch.zeros(1, 3)).item() == 0


def test_an_objective_names_and_weighs_its_parts():
    prediction, batch = sample()
    heatmap, coordinate = HeatmapLoss("mse", STRIDE, SIGMA), CoordinateLoss("wing")
    objective = Objective({"heatmap": heatmap, "coordinate": coordinate}, {"heatmap": 2.0, "coordinate": 0.5})
    parts = objective(prediction, batch)
    assert list(parts) == ["heatmap", "coordinate"]
    assert parts["heatmap"].item() == pytest.approx(2 * heatmap(prediction, batch).item())
    assert parts["coordinate"].item() == pytest.approx(0.5 * coordinate(prediction, batch).item())


def test_unknown_kinds_are_refused():
    with pytest.raises(InputError, match="unknown heatmap loss 'l2'; known are mse"):
        HeatmapLoss("l2", 4, 1.0)
    with pytest.raises(InputError, match="unknown coordinate loss 'l2'; known are wing"):
        CoordinateLoss("l2")


LABELS = torch.tensor([[0, -1, 2], [1, 0, -1]])


def visibility_loss(logits, labels=LABELS):
    prediction = Prediction(NetworkOutput(torch.zeros(N, K, 4, 4), (), logits), torch.zeros(N, K, 2))
    # Landmarks that are turned away have no point, so no weight: this loss must not care.
    batch = Batch(torch.zeros(N, 3, 16, 16), torch.zeros(N, K, 2), torch.zeros(N, K), labels)
    return VisibilityLoss()(prediction, batch)


def test_visibility_is_the_mean_cross_entropy_of_the_known_landmarks():
    logits = torch.randn(N, K, 3, generator=torch.Generator().manual_seed(0))
    total = 0.0
    for face, landmark, label in ((0, 0, 0), (0, 2, 2), (1, 0, 1), (1, 1, 0)):
        values = logits[face, landmark].tolist()
        total += math.log(sum(math.exp(value) for value in values)) - values[label]
    assert visibility_loss(logits).item() == pytest.approx(total / 4, rel=1e-5)
    others = torch.where((LABELS >= 0)[..., None], logits, 50.0)
    assert visibility_loss(others).item() == visibility_loss(logits).item()


def test_without_a_known_visibility_it_is_zero_and_still_has_a_gradient():
    logits = torch.randn(N, K, 3, requires_grad=True)
    loss = visibility_loss(logits, torch.full((N, K), -1))
    loss.backward()
    assert loss.item() == 0
    assert not logits.grad.any()


def test_a_network_without_the_head_is_refused():
    with pytest.raises(InputError, match="needs a network with that head"):
        visibility_loss(None)
