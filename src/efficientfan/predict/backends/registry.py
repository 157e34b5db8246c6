"""The engines by name, and which of them a model file runs on."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import cast

from efficientfan.errors import InputError
from efficientfan.predict.backends.base import Backend

__all__ = ["ENGINES", "open_backend"]

ENGINES: Mapping[str, tuple[str, str, str]] = {
    "onnxruntime": ("efficientfan.predict.backends.onnx", "OnnxBackend", ".onnx"),
    "openvino": ("efficientfan.predict.backends.openvino", "OpenVinoBackend", ".onnx"),
    "torch": ("efficientfan.predict.backends.torch", "TorchBackend", ".safetensors"),
}
"""Name -> module, class and the suffix of the files that it runs; imported when it is asked for."""


def open_backend(
    model_path: str | Path,
    *,
    backend: str | None = None,
    device: str = "cpu",
    threads: int | None = None,
    precision: str = "f32",
) -> Backend:
    """A model file on an engine; whatever is asked for and not there is an error, never replaced.

    Args:
        model_path: an `.onnx` file of `efficientfan export` or `quantize`, or a `.safetensors` checkpoint.
        backend: "onnxruntime" (part of every installation), "openvino" (extra `openvino`), "torch" (extra `train`,
            checkpoints only); None takes torch for a checkpoint and ONNX Runtime otherwise.
        device: "cpu"; with onnxruntime and torch "cuda" or "cuda:N", with openvino "gpu" or "gpu:N", with torch
            "mps".
        threads: processor threads of one run; None takes all cores.
        precision: "f32", "bf16" (openvino, torch), or "auto": the engine's choice.

    Raises:
        InputError: an unknown engine, device or precision; a file that is missing, damaged, not ours, or of the
            other kind.
        MissingDependencyError: the engine or the device is not there; the message says how to get it.
    """
    checkpoint = Path(model_path).suffix == ".safetensors"
    name = backend or ("torch" if checkpoint else "onnxruntime")
    if name not in ENGINES:
        raise InputError(f"unknown backend {name!r}; known are {', '.join(ENGINES)}")
    module, kind, suffix = ENGINES[name]
    if checkpoint and suffix != ".safetensors":
        raise InputError(
            f"{model_path}: is a checkpoint, which {name} cannot run; `efficientfan export` it first"
        )
    if not checkpoint and suffix == ".safetensors":
        raise InputError(
            f"{model_path}: backend 'torch' runs .safetensors checkpoints only; take onnxruntime"
        )
    return cast(Backend, getattr(import_module(module), kind)(model_path, device, threads, precision))
