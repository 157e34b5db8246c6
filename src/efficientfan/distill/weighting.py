"""`TermWeights`: fixed factors of the terms, and factors that follow the gradients."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias

import torch
from torch import Tensor, distributed, nn

__all__ = ["Decay", "TermWeights", "share_left"]

logger = logging.getLogger(__name__)

Decay: TypeAlias = Literal["none", "linear", "cosine"]

FIRST_STEP = 20
"""Steps before the first measurement: adapters start at random, and the base loss falls fast."""
FIRST_MEASUREMENTS = 5
EVERY_STEPS = 200
RENEWAL = 0.2
"""Share of a later measurement in the smoothed logarithm of a ratio."""
DROWNING = 3.0
"""A term whose gradient is so many times the base loss's trains something else than landmarks."""


def share_left(decay: Decay, progress: float) -> float:
    """Factor in [0, 1] on all terms when `progress` in [0, 1] of the run is done."""
    return {"none": 1.0, "linear": 1 - progress, "cosine": 0.5 * (1 + math.cos(math.pi * progress))}[decay]


class TermWeights(nn.Module):
    """The factor of each term, and how strong its gradient is beside that of the base loss.

    A term's ratio is the norm of its gradient, divided by that of the base loss; both with respect to the student's
    parameters. A term that is given by a ratio has the factor that makes its own this large; it is 0 until the ratio
    has been measured. Ratios are measured in training steps 20 to 24, and every 200 steps from then on; what counts is
    their geometric mean, and later a moving one. That costs one backward pass for each term and one for the base loss.
    All of it is in buffers: a run that goes on does so with the same factors.

    Args:
        weights: name -> factor, of terms with a fixed one.
        ratios: name -> ratio of the gradients, of the others.
        parameters: the student's.
    """

    seen: Tensor
    measured: Tensor
    last: Tensor
    smoothed_log: Tensor

    def __init__(
        self,
        weights: Mapping[str, float],
        ratios: Mapping[str, float],
        parameters: Iterable[nn.Parameter] = (),
    ) -> None:
        super().__init__()
        self.names = (*weights, *ratios)
        self.weights = dict(weights)
        self.ratios = dict(ratios)
        self._parameters_of_student = tuple(each for each in parameters if each.requires_grad)
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
        self.register_buffer("measured", torch.zeros(len(self.names), dtype=torch.int64))
        self.register_buffer("last", torch.zeros(len(self.names)))
        self.register_buffer("smoothed_log", torch.zeros(len(self.names)))

    def forward(self) -> dict[str, Tensor]:
        """Factor of each term by its name, scalars."""
        factors = {}
        for index, name in enumerate(self.names):
            if name in self.weights:
                factors[name] = self.smoothed_log.new_tensor(self.weights[name])
            else:
                known = self.measured[index] > 0
                factors[name] = self.ratios[name] / self.smoothed_log[index].exp() * known
        return factors

    def measured_ratios(self) -> dict[str, Tensor]:
        """Name -> ratio with the present factor, by the last measurement; terms without any are left out."""
        factors = self()
        return {
            name: factors[name] * self.last[index]
            for index, name in enumerate(self.names)
            if self.measured[index]
        }

    def observe(self, base: Tensor, terms: Mapping[str, Tensor]) -> None:
        """Count a training step, and measure where it is time.

        Args:
            base: scalar base loss of this step.
            terms: name -> scalar value without its factor.
        """
        step = int(self.seen)
        self.seen += 1
        first = FIRST_STEP <= step < FIRST_STEP + FIRST_MEASUREMENTS
        if first or (step > FIRST_STEP and step % EVERY_STEPS == 0):
            self._measure(base, terms)

    def _measure(self, base: Tensor, terms: Mapping[str, Tensor]) -> None:
        norms = torch.stack([self._norm(base), *(self._norm(terms[name]) for name in self.names)])
        if distributed.is_available() and distributed.is_initialized():
            distributed.all_reduce(norms)  # a mean would give the same ratios
        ratios = (norms[1:] / norms[0]).to(self.last)
        usable = ratios.isfinite() & (
            ratios > 0
        )  # not so: a batch without labels, a term that has nothing to say
        self.measured += usable
        share = (1 / self.measured.clamp(min=1)).clamp(min=RENEWAL)
        moved = self.smoothed_log + share * (ratios.clamp(min=1e-30).log() - self.smoothed_log)
        self.smoothed_log.copy_(torch.where(usable, moved, self.smoothed_log))
        self.last.copy_(torch.where(usable, ratios, self.last))
        self._warn()

    def _norm(self, loss: Tensor) -> Tensor:
        """Norm of the gradient of a loss, a scalar; 0 where it has none."""
        if not loss.requires_grad:
            return loss.detach() * 0
        with torch.autocast(loss.device.type, enabled=False):
            gradients = torch.autograd.grad(
                loss, self._parameters_of_student, retain_graph=True, allow_unused=True
            )
        squares = [each.float().square().sum() for each in gradients if each is not None]
        return torch.stack(squares).sum().sqrt() if squares else loss.detach() * 0

    def _warn(self) -> None:
        for index, name in enumerate(self.names):
            if name in self.weights and int(self.measured[index]) == FIRST_MEASUREMENTS:
                ratio = self.weights[name] * math.exp(float(self.smoothed_log[index]))
                if ratio > DROWNING:
                    logger.warning(
                        "distillation term %s, weight %g: its gradient is %.1f times that of the base loss, it drowns "
                        "the landmarks; lower its weight, or give ratio: 0.3 in its place",
                        name,
                        self.weights[name],
                        ratio,
                    )
