"""`DistillationObjective`: an objective with a teacher."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from efficientfan.distill.teacher import Teacher
from efficientfan.distill.term import DistillationTerm
from efficientfan.losses import Batch, Objective, Prediction

__all__ = ["DistillationObjective"]


class DistillationObjective(Objective):
    """The parts of a base objective, and `distill/NAME` for each term against the teacher.

    The terms' adapters are parameters of this module: trained and checkpointed with the student, but none of
    its weights. The teacher is neither (see `Teacher`).

    Args:
        base: what the student is trained for without a teacher.
        teacher: asked once per batch.
        distill: name -> term.
        distill_scales: name -> factor.
    """

    def __init__(
        self,
        base: Objective,
        teacher: Teacher,
        distill: Mapping[str, DistillationTerm],
        distill_scales: Mapping[str, float],
    ) -> None:
        super().__init__(dict(base.terms.items()), base.scales)
        self.teacher = teacher
        self.distill = nn.ModuleDict(dict(distill))
        self.distill_scales = dict(distill_scales)

    def forward(self, prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        """Weighted parts by name; their sum is the loss."""
        parts = super().forward(prediction, batch)
        teacher = self.teacher(batch.images)
        for name, term in self.distill.items():
            parts[f"distill/{name}"] = self.distill_scales[name] * term(prediction.output, teacher, batch)
        return parts
