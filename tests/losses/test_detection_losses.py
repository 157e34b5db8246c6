"""The detector's losses against slow transcriptions of their papers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from efficientfan.losses.detection import (
    CenterBatch,
    box_loss,
    center_loss,
    point_loss,
    taught_center_loss,
)


def batch(
    centers: np.ndarray, counted: np.ndarray | None = None, chances: np.ndarray | None = None
) -> CenterBatch:
    maps = torch.from_numpy(centers).float()
    mask = torch.ones_like(maps) if counted is None else torch.from_numpy(counted).float()
    sure = (maps >= 1).float() if chances is None else torch.from_numpy(chances).float()
    nothing = torch.zeros_like(maps)
    return CenterBatch(
        maps, sure, torch.zeros(*maps.shape, 4), torch.zeros(*maps.shape, 5, 2), nothing, nothing, mask
    )


def test_center_loss_is_cornernets_equation_1() -> None:
    rng = np.random.default_rng(0)
    centers = rng.uniform(0, 0.99, (2, 5, 6))
    centers[0, 1, 2] = centers[1, 3, 3] = centers[1, 0, 0] = 1
    counted = (rng.random((2, 5, 6)) > 0.2) | (centers == 1)
    logits = rng.normal(0, 2, (2, 1, 5, 6))
    expected = 0.0
    for index in np.ndindex(centers.shape):
        chance = 1 / (1 + math.exp(-logits[index[0], 0, index[1], index[2]]))
        if not counted[index]:
            continue
        if centers[index] == 1:
            expected -= (1 - chance) ** 2 * math.log(chance)
        else:
            expected -= (1 - centers[index]) ** 4 * chance**2 * math.log(1 - chance)
    found = center_loss(torch.from_numpy(logits), batch(centers, counted))
    assert float(found) == pytest.approx(expected / 3, rel=1e-5)


def test_center_loss_without_a_face_is_finite_and_teaches_background() -> None:
    logits = torch.zeros(1, 1, 4, 4, requires_grad=True)
    center_loss(logits, batch(np.zeros((1, 4, 4)))).backward()
    assert (logits.grad > 0).all()


def diou(a: list[float], b: list[float]) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    common = width * height
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common
    diagonal = (max(a[2], b[2]) - min(a[0], b[0])) ** 2 + (max(a[3], b[3]) - min(a[1], b[1])) ** 2
    apart = ((a[0] + a[2] - b[0] - b[2]) / 2) ** 2 + ((a[1] + a[3] - b[1] - b[3]) / 2) ** 2
    return common / union - apart / diagonal


def test_box_loss_is_one_minus_diou_by_weight() -> None:
    true = [[0.0, 0.0, 10.0, 10.0], [20.0, 5.0, 30.0, 25.0]]
    found = [[2.0, 1.0, 12.0, 9.0], [40.0, 5.0, 44.0, 11.0]]
    weights = [1.0, 0.25]
    targets = torch.tensor([[*true, [0.0, 0.0, 1.0, 1.0]]])[None]
    cell_weights = torch.tensor([[*weights, 0.0]])[None]
    predicted = torch.tensor([[*found, [5.0, 5.0, 6.0, 6.0]]])[None]
    expected = sum(w * (1 - diou(f, t)) for w, f, t in zip(weights, found, true, strict=True)) / 1.25
    assert float(box_loss(predicted, targets, cell_weights)) == pytest.approx(expected, rel=1e-5)
    assert float(box_loss(targets, targets, cell_weights)) == pytest.approx(0, abs=1e-6)


def test_box_loss_without_a_face_is_zero() -> None:
    assert float(box_loss(torch.ones(1, 2, 2, 4), torch.ones(1, 2, 2, 4), torch.zeros(1, 2, 2))) == 0


def test_a_face_of_chance_below_one_is_a_face_in_part() -> None:
    centers, chances = np.zeros((1, 3, 3)), np.zeros((1, 3, 3))
    centers[0, 1, 1], chances[0, 1, 1] = 1, 0.25
    logits = torch.zeros(1, 1, 3, 3)
    with_half = -(0.25 * 0.25 * math.log(0.5) + 0.75 * 0.25 * math.log(0.5))
    background = -8 * 0.25 * math.log(0.5)
    found = center_loss(logits, batch(centers, chances=chances))
    assert float(found) == pytest.approx(with_half + background, rel=1e-5)


def test_taught_centers_cost_nothing_where_the_student_agrees() -> None:
    chances = torch.rand(2, 1, 4, 4, generator=torch.Generator().manual_seed(0)).clamp(0.01, 0.99)
    targets = batch(np.zeros((2, 4, 4)))
    assert float(taught_center_loss(chances.logit(), chances, targets)) == pytest.approx(0, abs=1e-9)
    wrong = taught_center_loss(-chances.logit(), chances, targets)
    expected = (
        (1 - 2 * chances) ** 2 * -(chances * (1 - chances).log() + (1 - chances) * chances.log())
    ).sum()
    assert float(wrong) == pytest.approx(float(expected), rel=1e-4)


def test_point_loss_is_smooth_in_box_sizes() -> None:
    true = torch.zeros(1, 1, 2, 5, 2)
    boxes = torch.tensor([[[[0.0, 0.0, 20.0, 10.0], [0.0, 0.0, 4.0, 8.0]]]])
    found = true.clone()
    found[0, 0, 0, 0, 0] = 10.0  # half a box: beyond the smooth part
    found[0, 0, 1, 2, 1] = 0.4  # a twentieth: within
    weights = torch.tensor([[[1.0, 3.0]]])
    first, second = (0.5 - 0.05) / 10, 0.5 * 0.05**2 / 0.1 / 10
    assert float(point_loss(found, true, boxes, weights)) == pytest.approx((first + 3 * second) / 4, rel=1e-5)
    assert float(point_loss(found, true, boxes, torch.zeros(1, 1, 2))) == 0
