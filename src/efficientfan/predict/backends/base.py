"""The interface of an inference engine, and the checks of a model file that all engines share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from efficientfan.errors import InputError, check_threads, first_line, install_command
from efficientfan.spec import ModelSpec
from efficientfan.structures import VISIBILITY_CLASSES

__all__ = [
    "PRECISIONS",
    "Backend",
    "BackendOutput",
    "Port",
    "check_graph",
    "check_options",
    "engine_in_words",
    "engine_note",
    "precision_in_use",
    "run_graph",
    "run_checked",
    "spec_text",
    "split_device",
]

Array = NDArray[Any]

PRECISIONS = ("f32", "bf16", "auto")
"""Precisions to ask an engine for; "auto" is the engine's own choice."""


@dataclass(frozen=True)
class BackendOutput:
    """Landmarks of a batch of N crops.

    Attributes:
        points: (N, K, 2) float32 in crop pixels.
        scores: (N, K) float32 in [0, 1].
        visibility: (N, K, 3) float32, probabilities of `VISIBILITY_CLASSES`; None for models without them.
    """

    points: Array
    scores: Array
    visibility: Array | None = None


class Backend(Protocol):
    """One model on one device: crops in, landmarks out. Its attributes say what is in use, not what was asked for.

    Attributes:
        runs_overlap: whether runs that several threads ask for at once are computed at once. Where they are not, runs
            take turns (of openvino as many at once as it has streams), and the backend should get all threads.
    """

    runs_overlap: ClassVar[bool]

    @property
    def spec(self) -> ModelSpec:
        """What the model is, and which crops it expects."""

    @property
    def name(self) -> str:
        """The engine: "onnxruntime", "openvino", "torch" or "ncnn"."""

    @property
    def device(self) -> str:
        """Where it runs: "cpu", "cuda:1", ..."""

    @property
    def precision(self) -> str:
        """Precision of its arithmetic: "f32" or "bf16"; "int8+f32" for a quantized file."""

    @property
    def threads(self) -> int | None:
        """Processor threads of one run; None where the engine chooses and does not report them."""

    def run(self, crops: Array) -> BackendOutput:
        """Landmarks of a batch of crops. Several threads may call it at once.

        Args:
            crops: (N, S, S, 3) uint8 RGB, S = `spec.input_size`; N may be 0.

        Raises:
            InputError: crops of another shape or type.
        """


def engine_in_words(backend: Backend) -> str:
    """A backend in words, such as "openvino on cpu, int8+f32, 2 threads"."""
    count = backend.threads
    threads = "" if count is None else f", {count} thread{'s' if count > 1 else ''}"
    return f"{backend.name} on {backend.device}, {backend.precision}{threads}"


def engine_note(backend: Backend) -> str:
    """What to know about a file on this engine; empty where there is nothing.

    The int8 files of NNCF run in ONNX Runtime, but more slowly than in float: it does not merge their rounding into
    the convolutions.
    """
    tool = str(dict(backend.spec.provenance.get("quantization") or {}).get("tool", ""))
    if backend.name != "onnxruntime" or not tool.startswith("nncf"):
        return ""
    return (
        f"{backend.spec.name}: this int8 file is made for OpenVINO and slow in ONNX Runtime; use --backend openvino "
        f"({install_command('openvino')}) or a float model"
    )


@dataclass(frozen=True)
class Port:
    """An input or output of a graph: numpy's name of its type, and its shape with None for a free axis."""

    kind: str
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        return f"{self.kind} [{', '.join('N' if side is None else str(side) for side in self.shape)}]"

    def admits(self, other: Port) -> bool:
        """Whether every array of `other` fits here. A free axis takes any size; only a free axis takes a free one."""
        return (
            self.kind == other.kind
            and len(self.shape) == len(other.shape)
            and all(mine is None or mine == its for mine, its in zip(self.shape, other.shape, strict=True))
        )


def check_options(threads: int | None, precision: str) -> None:
    """Check the options that mean the same to every engine.

    Raises:
        InputError: a number of threads that is not within 1 and 1024, or a precision that is not in `PRECISIONS`.
    """
    check_threads(threads)
    if precision not in PRECISIONS:
        raise InputError(f"unknown precision {precision!r}; known are {', '.join(PRECISIONS)}")


def split_device(device: str, engine: str, kinds: Sequence[str]) -> tuple[str, int | None]:
    """Split a device such as "cuda:1" into its kind and its number (None without one).

    Args:
        device: such as "cpu" or "cuda:1".
        engine: its name, for the error.
        kinds: those that the engine runs on; "cuda:N" beside "cuda" allows a number.

    Raises:
        InputError: another device.

    >>> split_device("cuda:1", "torch", ("cpu", "cuda", "cuda:N"))
    ('cuda', 1)
    """
    if not isinstance(device, str):
        raise InputError(f"a device is a name such as 'cpu', not {device!r}")
    kind, colon, number = device.partition(":")
    if kind not in kinds or (colon and not (f"{kind}:N" in kinds and number.isdecimal())):
        raise InputError(
            f"unknown device {device!r}; {engine} runs on {', '.join(kinds[:-1])} and {kinds[-1]}"
        )
    return kind, int(number) if number else None


def spec_text(text: str | None, where: str) -> str:
    """Check that a graph file's metadata has a spec, and return its text.

    Raises:
        InputError: there is none.
    """
    if text is None:
        raise InputError(
            f"{where}: is not a model of efficientfan (no spec inside); write one by `efficientfan export`"
        )
    return text


def check_graph(inputs: Mapping[str, Port], outputs: Mapping[str, Port], spec: ModelSpec, where: str) -> None:
    """Check that a graph's inputs and outputs are those of its spec; an axis that is free in the graph fits any size.

    Raises:
        InputError: an input or output is missing or of another shape or type, or there is a further input.
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


def run_checked(crops: Array, spec: ModelSpec, infer: Callable[[Array], Iterable[Array]]) -> BackendOutput:
    """Check crops and run an engine on them; none give an empty output without asking the engine.

    Args:
        crops: (N, S, S, 3) uint8 RGB, any view of an array; N may be 0.
        spec: what the model takes and gives.
        infer: contiguous crops, at least one -> the arrays of `spec.outputs`, in that order.

    Raises:
        InputError: crops of another shape or type; or the model fails on them, or gives what its spec does not say, or
            numbers that are not finite.
    """
    side = spec.input_size
    if crops.dtype != np.uint8 or crops.shape[1:] != (side, side, 3):
        raise InputError(f"crops are (N, {side}, {side}, 3) uint8, not {crops.shape} {crops.dtype}")
    shapes = _output_shapes(spec)
    if not len(crops):
        return BackendOutput(*(np.zeros((0, *shape), np.float32) for shape in shapes.values()))
    found = run_graph(lambda: infer(np.ascontiguousarray(crops)), spec.name)
    for (name, shape), array in zip(shapes.items(), found, strict=True):
        if array.shape != (len(crops), *shape):
            raise InputError(f"model {spec.name!r}: {name} of {len(crops)} crops have shape {array.shape}")
    return BackendOutput(*found)


def run_graph(infer: Callable[[], Iterable[Array]], name: str) -> list[Array]:
    """What a graph gives; a damaged or foreign one may fail, or give NaN, which would look like "no face".

    Args:
        infer: runs the engine.
        name: of the model, for messages.

    Raises:
        InputError: the engine fails, or a number is not finite.
    """
    try:
        found = list(infer())
    except Exception as error:  # the engines' errors have no common base class
        raise InputError(f"model {name!r}: cannot be run ({first_line(error)})") from error
    if not all(np.isfinite(array).all() for array in found):
        raise InputError(
            f"model {name!r}: gives numbers that are not finite; its file is damaged, or its precision too low"
        )
    return found


def precision_in_use(spec: ModelSpec, floats: str) -> str:
    """The float precision, preceded by "int8+" for a quantized file."""
    return f"int8+{floats}" if "quantization" in spec.provenance else floats


def _output_shapes(spec: ModelSpec) -> dict[str, tuple[int, ...]]:
    """Shape of each output of the spec, without the batch axis."""
    k = spec.schema.n_landmarks
    shapes = {"points": (k, 2), "scores": (k,), "visibility": (k, len(VISIBILITY_CLASSES))}
    return {name: shapes[name] for name in spec.outputs}
