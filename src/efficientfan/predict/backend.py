"""What the predictor asks of an inference engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from efficientfan.spec import ModelSpec

__all__ = ["Backend", "BackendOutput"]

Array = NDArray[Any]


@dataclass(frozen=True)
class BackendOutput:
    """What a batch of crops is found to hold.

    Attributes:
        points: (N, K, 2) float32 in crop pixels.
        scores: (N, K) float32 in [0, 1].
        visibility: (N, K, 3) float32, probabilities of `VISIBILITY_CLASSES`; None where the model does not tell.
    """

    points: Array
    scores: Array
    visibility: Array | None = None


class Backend(Protocol):
    """One exported model on one device: crops in, landmarks out."""

    @property
    def spec(self) -> ModelSpec:
        """What the model is, and which crops it expects."""

    @property
    def device(self) -> str:
        """Where it runs, such as "cpu"."""

    def run(self, crops: Array) -> BackendOutput:
        """Landmarks of a batch of crops; N may be 0.

        Args:
            crops: (N, S, S, 3) uint8 RGB, S = `spec.input_size`.
        """
