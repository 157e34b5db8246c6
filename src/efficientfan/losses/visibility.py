"""The loss on visibility."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from efficientfan.errors import InputError
from efficientfan.losses.objective import Batch, Prediction

__all__ = ["VisibilityLoss"]

_UNKNOWN = -1


class VisibilityLoss(nn.Module):
    """Cross-entropy between a landmark's visibility and its label, where there is one.

    The only loss that hears of landmarks that are turned away: they have no point. Where a landmark lies and
    whether it can be seen are labelled apart, so `Batch.weights` have no say.

    Raises:
        InputError: when called, a network without a visibility head or a batch without labels.
    """

    def forward(self, prediction: Prediction, batch: Batch) -> Tensor:
        """Scalar mean over the landmarks whose visibility is known; 0 without any."""
        logits, labels = prediction.output.visibility, batch.visibility
        if logits is None or labels is None:
            raise InputError("a loss on visibility needs a network with that head, and labels")
        total = F.cross_entropy(
            logits.float().flatten(0, 1), labels.flatten(), ignore_index=_UNKNOWN, reduction="sum"
        )
        return total / (labels != _UNKNOWN).sum().clamp(min=1)
