"""`DistillationObjective`: an objective with teachers."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from efficientfan.distill.teacher import Teachers
from efficientfan.distill.term import DistillationTerm
from efficientfan.distill.weighting import Decay, TermWeights, share_left
from efficientfan.losses import Batch, Objective, Prediction

__all__ = ["DistillationObjective"]


class DistillationObjective(Objective):
    """The parts of a base objective, and `distill/NAME` for each term against the teachers.

    The terms' adapters are parameters of this module: trained and checkpointed with the student, but none of
    its weights. The teachers are neither (see `Teacher`).

    Args:
        base: what the student is trained for without a teacher.
        teachers: asked once per batch.
        distill: name -> term.
        term_weights: the factors of the terms.
        decay: how these factors shrink with the progress of the run.
    """

    def __init__(
        self,
        base: Objective,
        teachers: Teachers,
        distill: Mapping[str, DistillationTerm],
        term_weights: TermWeights,
        decay: Decay = "none",
    ) -> None:
        super().__init__(dict(base.terms.items()), base.scales)
        self.teachers = teachers
        self.crop_sides = teachers.crop_sides
        self.distill = nn.ModuleDict(dict(distill))
        self.term_weights = term_weights
        self.decay: Decay = decay

    def forward(self, prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        """Weighted parts by name; their sum is the loss.

        Raises:
            InputError: the batch lacks the crops of a teacher.
        """
        parts = super().forward(prediction, batch)
        said = self.teachers(batch.crops)
        values = {name: term(prediction.output, said, batch) for name, term in self.distill.items()}
        if self.training and torch.is_grad_enabled():
            self.term_weights.observe(torch.stack(list(parts.values())).sum(), values)
        left = share_left(self.decay, batch.progress)
        factors = self.term_weights()
        for name, value in values.items():
            parts[f"distill/{name}"] = left * factors[name] * value
        self.notes = {
            f"ratio/{name}": left * ratio for name, ratio in self.term_weights.measured_ratios().items()
        }
        return parts
