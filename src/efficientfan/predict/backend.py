"""What the predictor asks of an inference engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from efficientfan.spec import ModelSpec

__all__ = ["Backend", "BackendOutput", "engine_in_words"]

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
    """One model on one device: crops in, landmarks out. What it says of itself is what is in use, not a wish."""

    @property
    def spec(self) -> ModelSpec:
        """What the model is, and which crops it expects."""

    @property
    def name(self) -> str:
        """The engine: "onnxruntime", "openvino" or "torch"."""

    @property
    def device(self) -> str:
        """Where it runs, such as "cpu"."""

    @property
    def precision(self) -> str:
        """Of its arithmetic: "f32" or "bf16"; "int8+f32" where a quantised file leaves some layers in float."""

    @property
    def threads(self) -> int | None:
        """Processor threads of one run; None where the engine decides and does not tell."""

    def run(self, crops: Array) -> BackendOutput:
        """Landmarks of a batch of crops; N may be 0. Threads may call it at once: it answers each, or in turn.

        Args:
            crops: (N, S, S, 3) uint8 RGB, S = `spec.input_size`.
        """


def engine_in_words(backend: Backend) -> str:
    """Such as "openvino on cpu, int8+f32, 2 threads"."""
    count = backend.threads
    threads = "" if count is None else f", {count} thread{'s' if count > 1 else ''}"
    return f"{backend.name} on {backend.device}, {backend.precision}{threads}"
