"""What the predictor asks of an inference engine, and what every engine checks of a model file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from efficientfan.errors import InputError
from efficientfan.spec import ModelSpec
from efficientfan.structures import VISIBILITY_CLASSES

__all__ = [
    "PRECISIONS",
    "Backend",
    "BackendOutput",
    "Port",
    "answer",
    "check_graph",
    "check_options",
    "engine_in_words",
    "first_line",
    "precision_in_use",
    "spec_text",
    "split_device",
]

Array = NDArray[Any]

PRECISIONS = ("f32", "bf16", "auto")
"""What may be asked of an engine; "auto" leaves it to the engine."""


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


@dataclass(frozen=True)
class Port:
    """An input or output of a graph: numpy's name of its type, and its shape with None for a free axis."""

    kind: str
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        return f"{self.kind} [{', '.join('N' if side is None else str(side) for side in self.shape)}]"

    def admits(self, other: Port) -> bool:
        """Whether every array of `other` fits; where this is free, anything does, but `other`'s N must be free."""
        return (
            self.kind == other.kind
            and len(self.shape) == len(other.shape)
            and all(mine is None or mine == its for mine, its in zip(self.shape, other.shape, strict=True))
        )


def check_options(threads: int | None, precision: str) -> None:
    """Refuse what no engine understands.

    Raises:
        InputError: fewer threads than one, or a precision that is not in `PRECISIONS`.
    """
    if threads is not None and threads < 1:
        raise InputError(f"threads must be at least 1, not {threads}")
    if precision not in PRECISIONS:
        raise InputError(f"unknown precision {precision!r}; known are {', '.join(PRECISIONS)}")


def split_device(device: str, engine: str, kinds: Sequence[str]) -> tuple[str, int | None]:
    """A device such as "cuda:1" as its kind and number, None where it names none.

    Args:
        device: as it was asked for.
        engine: in words, for the error.
        kinds: that the engine runs on; "cuda:N" beside "cuda" means that there may be several, by number.

    Raises:
        InputError: another device.

    >>> split_device("cuda:1", "torch", ("cpu", "cuda", "cuda:N"))
    ('cuda', 1)
    """
    kind, colon, number = device.partition(":")
    if kind not in kinds or (colon and not (f"{kind}:N" in kinds and number.isdecimal())):
        raise InputError(
            f"unknown device {device!r}; {engine} runs on {', '.join(kinds[:-1])} and {kinds[-1]}"
        )
    return kind, int(number) if number else None


def spec_text(text: str | None, where: str) -> str:
    """The spec in a graph file's metadata entry.

    Raises:
        InputError: there is none.
    """
    if text is None:
        raise InputError(
            f"{where}: is not a model of efficientfan (no spec inside); write one by `efficientfan export`"
        )
    return text


def check_graph(inputs: Mapping[str, Port], outputs: Mapping[str, Port], spec: ModelSpec, where: str) -> None:
    """The graph takes and gives what its spec says; an axis that is free in the graph passes.

    Raises:
        InputError: an input or output is missing, of another shape or type, or one too many is asked for.
    """
    side = spec.input_size
    wanted = {
        "crops": Port("uint8", (None, side, side, 3)),
        **{name: Port("float32", (None, *shape)) for name, shape in _output_shapes(spec).items()},
    }
    ports = {**inputs, **outputs}
    for name, port in wanted.items():
        if name not in ports:
            raise InputError(f"{where}: the graph has no {name!r}; export it anew by `efficientfan export`")
        if not ports[name].admits(port):
            raise InputError(f"{where}: {name!r} is {ports[name]}, but the spec wants {port}; export it anew")
    if len(inputs) != 1:
        raise InputError(f"{where}: the graph takes further inputs beside 'crops'; export it anew")


def answer(crops: Array, spec: ModelSpec, infer: Callable[[Array], Iterable[Array]]) -> BackendOutput:
    """`Backend.run` of an engine that is given by its one call.

    Args:
        crops: (N, S, S, 3) uint8, any view of an array; N may be 0.
        spec: what the model takes and gives.
        infer: contiguous crops, at least one -> the arrays of `spec.outputs`, in that order.

    Raises:
        InputError: crops of another shape or type.
    """
    side = spec.input_size
    if crops.dtype != np.uint8 or crops.shape[1:] != (side, side, 3):
        raise InputError(f"crops are (N, {side}, {side}, 3) uint8, not {crops.shape} {crops.dtype}")
    if not len(crops):
        return BackendOutput(*(np.zeros((0, *shape), np.float32) for shape in _output_shapes(spec).values()))
    return BackendOutput(*infer(np.ascontiguousarray(crops)))


def precision_in_use(spec: ModelSpec, floats: str) -> str:
    """The float precision, with "int8+" before it where the file is a quantised one."""
    return f"int8+{floats}" if "quantisation" in spec.provenance else floats


def first_line(error: Exception) -> str:
    """The beginning of an engine's complaint; some of them are pages long."""
    lines: Sequence[str] = [line.strip() for line in str(error).split("\n") if line.strip()]
    return lines[0][:200] if lines else type(error).__name__


def _output_shapes(spec: ModelSpec) -> dict[str, tuple[int, ...]]:
    """Shape of each output the spec speaks of, without the batch axis."""
    k = spec.schema.n_landmarks
    shapes = {"points": (k, 2), "scores": (k,), "visibility": (k, len(VISIBILITY_CLASSES))}
    return {name: shapes[name] for name in spec.outputs}
