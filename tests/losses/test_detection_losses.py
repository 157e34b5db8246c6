"""The detector's losses against slow transcriptions of their papers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from efficientfan.losses.detection import CentreBatch, box_loss, centre_loss


def batch(centres: np.ndarray, counted: np.ndarray | None = None) -> CentreBatch:
    maps = torch.from_numpy(centres).float()
    mask = torch.ones_like(maps) if counted is None else torch.from_numpy(counted).float()
    return CentreBatch(maps, torch.zeros(*maps.shape, 4), torch.zeros_like(maps), mask)


def test_centre_loss_is_cornernets_equation_1() -> None:
    rng = np.random.default_rng(0)
    centres = rng.uniform(0, 0.99, (2, 5, 6))
    centres[0, 1, 2] = centres[1, 3, 3] = centres[1, 0, 0] = 1
    counted = (rng.random((2, 5, 6)) > 0.2) | (centres == 1)
    logits = rng.normal(0, 2, (2, 1, 5, 6))
    expected = 0.0
    for index in np.ndindex(centres.shape):
        chance = 1 / (1 + math.exp(-logits[index[0], 0, index[1], index[2]]))
        if not counted[index]:
            continue
        if centres[index] == 1:
            expected -= (1 - chance) ** 2 * math.log(chance)
        else:
            expected -= (1 - centres[index]) ** 4 * chance**2 * math.log(1 - chance)
    found = centre_loss(torch.from_numpy(logits), batch(centres, counted))
    assert float(found) == pytest.approx(expected / 3, rel=1e-5)


def test_centre_loss_without_a_face_is_finite_and_teaches_background() -> None:
    logits = torch.zeros(1, 1, 4, 4, requires_grad=True)
    centre_loss(logits, batch(np.zeros((1, 4, 4)))).backward()
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
    targets = CentreBatch(
        torch.zeros(1, 1, 3),
        torch.tensor([[*true, [0.0, 0.0, 1.0, 1.0]]])[None],
        torch.tensor([[*weights, 0.0]])[None],
        torch.ones(1, 1, 3),
    )
    predicted = torch.tensor([[*found, [5.0, 5.0, 6.0, 6.0]]])[None]
    expected = sum(w * (1 - diou(f, t)) for w, f, t in zip(weights, found, true, strict=True)) / 1.25
    assert float(box_loss(predicted, targets)) == pytest.approx(expected, rel=1e-5)
    assert float(box_loss(targets.boxes, targets)) == pytest.approx(0, abs=1e-6)


def test_box_loss_without_a_face_is_zero() -> None:
    assert float(box_loss(torch.ones(1, 2, 2, 4), batch(np.zeros((1, 2, 2))))) == 0
