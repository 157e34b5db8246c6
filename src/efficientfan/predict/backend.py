"""What the predictor asks of an inference engine."""

from __future__ import annotations

from typing import Any, Protocol

from numpy.typing import NDArray

from efficientfan.spec import ModelSpec

__all__ = ["Backend"]


class Backend(Protocol):
    """One exported model on one device: crops in, landmarks out."""

    @property
    def spec(self) -> ModelSpec:
        """What the model is, and which crops it expects."""

    @property
    def device(self) -> str:
        """Where it runs, such as "cpu"."""

    def run(self, crops: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Landmarks of a batch of crops; N may be 0.

        Args:
            crops: (N, S, S, 3) uint8 RGB, S = `spec.input_size`.

        Returns:
            points (N, K, 2) float32 in crop pixels, and scores (N, K) float32 in [0, 1].
        """
