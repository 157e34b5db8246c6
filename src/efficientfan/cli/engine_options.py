"""Options of the commands that run a model: on which engine, where, how."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["BackendOption", "DeviceOption", "PrecisionOption", "ThreadsOption"]

BackendOption = Annotated[
    str | None,
    typer.Option(
        "--backend",
        help="onnxruntime, openvino (extra openvino; faster for int8 files), or torch (extra train; "
        ".safetensors checkpoints).",
        show_default="torch for a checkpoint, else onnxruntime",
    ),
]
DeviceOption = Annotated[
    str,
    typer.Option(
        "--device",
        help="cpu; cuda or cuda:N (onnxruntime, torch), gpu or gpu:N (openvino), mps (torch); one that is not there is "
        "an error.",
    ),
]
PrecisionOption = Annotated[
    str,
    typer.Option(
        "--precision", help="f32, bf16 (openvino, torch: faster, less exact), or auto: the engine's choice."
    ),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option("--threads", min=1, help="Processor threads of the model.", show_default="all cores"),
]
