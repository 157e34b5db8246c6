"""The engines by name, and the engine that runs a model file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import cast

from efficientfan.errors import InputError
from efficientfan.predict.backends.base import Backend

__all__ = ["ENGINES", "backend_class", "open_backend"]

ENGINES: Mapping[str, tuple[str, str, str]] = {
    "onnxruntime": ("efficientfan.predict.backends.onnx", "OnnxBackend", ".onnx"),
    "openvino": ("efficientfan.predict.backends.openvino", "OpenVinoBackend", ".onnx"),
    "torch": ("efficientfan.predict.backends.torch", "TorchBackend", ".safetensors"),
    "ncnn": ("efficientfan.predict.backends.ncnn", "NcnnBackend", ".param"),
}
"""Name -> module, class, and suffix of the files that it runs. The module is imported on first use."""


def backend_class(model_path: str | Path, backend: str | None = None) -> type[Backend]:
    """The engine that runs a model file, without opening the file.

    Args:
        model_path: an `.onnx` file, a `.safetensors` checkpoint or a `.param` file of ncnn.
        backend: one of `ENGINES`; None takes torch for a checkpoint, ncnn for its own file, ONNX Runtime otherwise.

    Raises:
        InputError: an unknown engine, or one that does not run this kind of file.
    """
    kind = Path(model_path).suffix
    name = backend or {".safetensors": "torch", ".param": "ncnn"}.get(kind, "onnxruntime")
    if not isinstance(name, str) or name not in ENGINES:
        raise InputError(f"unknown backend {name!r}; known are {', '.join(ENGINES)}")
    module, class_name, suffix = ENGINES[name]
    if kind == ".safetensors" and suffix != kind:
        raise InputError(
            f"{model_path}: is a checkpoint, which {name} cannot run; `efficientfan export` it first"
        )
    if kind == ".param" and suffix != kind:
        raise InputError(f"{model_path}: is a file of ncnn, which {name} cannot run; use backend ncnn")
    if kind != ".safetensors" and suffix == ".safetensors":
        raise InputError(f"{model_path}: backend 'torch' runs .safetensors checkpoints only; use onnxruntime")
    if kind != ".param" and suffix == ".param":
        raise InputError(
            f"{model_path}: backend 'ncnn' runs .param files only; write one by `efficientfan export --format ncnn`"
        )
    return cast("type[Backend]", getattr(import_module(module), class_name))


def open_backend(
    model_path: str | Path,
    *,
    backend: str | None = None,
    device: str = "cpu",
    threads: int | None = None,
    precision: str = "f32",
    streams: int = 1,
) -> Backend:
    """Open a model file on an engine. What is asked for and not available is an error, never replaced.

    Args:
        model_path: an `.onnx` file of `efficientfan export` or `quantize`, a `.safetensors` checkpoint, or a `.param`
            file of `efficientfan export --format ncnn`.
        backend: "onnxruntime" (part of every installation), "openvino" (extra `openvino`), "torch" (extra `train`,
            checkpoints only), "ncnn" (extra `mobile`, `.param` files only); None lets the file decide.
        device: "cpu"; with onnxruntime and torch "cuda" or "cuda:N", with openvino "gpu" or "gpu:N", with torch
            "mps".
        threads: processor threads of one run (of openvino: of all streams); None takes all cores.
        precision: "f32", "bf16" (openvino, torch), or "auto": the engine's choice.
        streams: runs that openvino computes at once, for callers of several threads; the other engines are not told.

    Raises:
        InputError: an unknown engine, device or precision; a file that is missing, damaged, not one of efficientfan,
            or of a kind that the engine does not run.
        MissingDependencyError: the engine or the device is not available; the message says how to get it.
    """
    engine = cast("Callable[..., Backend]", backend_class(model_path, backend))
    return engine(model_path, device, threads, precision, *([streams] if backend == "openvino" else []))
