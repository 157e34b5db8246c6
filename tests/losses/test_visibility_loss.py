import math

import pytest
import torch

from efficientfan.errors import InputError
from efficientfan.losses import Batch, Prediction, VisibilityLoss
from efficientfan.models import NetworkOutput

N, K = 2, 3
LABELS = torch.tensor([[0, -1, 2], [1, 0, -1]])


def loss_of(logits, labels=LABELS):
    prediction = Prediction(NetworkOutput(torch.zeros(N, K, 4, 4), (), logits), torch.zeros(N, K, 2))
    # Landmarks that are turned away have no point, so no weight: this loss must not care.
    batch = Batch(torch.zeros(N, 3, 16, 16), torch.zeros(N, K, 2), torch.zeros(N, K), labels)
    return VisibilityLoss()(prediction, batch)


def test_it_is_the_mean_cross_entropy_of_the_known_landmarks():
    logits = torch.randn(N, K, 3, generator=torch.Generator().manual_seed(0))
    total = 0.0
    for face, landmark, label in ((0, 0, 0), (0, 2, 2), (1, 0, 1), (1, 1, 0)):
        values = logits[face, landmark].tolist()
        total += math.log(sum(math.exp(value) for value in values)) - values[label]
    assert loss_of(logits).item() == pytest.approx(total / 4, rel=1e-5)
    others = torch.where((LABELS >= 0)[..., None], logits, 50.0)
    assert loss_of(others).item() == loss_of(logits).item()


def test_without_a_known_landmark_it_is_zero_and_still_has_a_gradient():
    logits = torch.randn(N, K, 3, requires_grad=True)
    loss = loss_of(logits, torch.full((N, K), -1))
    loss.backward()
    assert loss.item() == 0
    assert not logits.grad.any()


def test_a_network_without_the_head_is_refused():
    with pytest.raises(InputError, match="needs a network with that head"):
        loss_of(None)
