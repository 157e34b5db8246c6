"""`efficientfan export`: a checkpoint to a file that runs without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from efficientfan.cli.extras import needs_train_extra
from efficientfan.errors import InputError

__all__ = ["export_command"]


def export_command(
    checkpoint: Annotated[Path, typer.Argument(help="A .safetensors file written by `efficientfan train`.")],
    out: Annotated[
        Path | None, typer.Option(help="The file to write; the checkpoint's name with .onnx if not given.")
    ] = None,
    target: Annotated[str, typer.Option("--format", help="onnx.")] = "onnx",
    tolerance: Annotated[
        float, typer.Option(min=0.0, help="Largest distance of a point from torch's, in crop pixels.")
    ] = 0.01,
    min_score: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Detected faces that score below are dropped; the checkpoint's if not given."
        ),
    ] = None,
) -> None:
    """Write one graph from uint8 crops to landmarks, with its spec inside; refuse if it disagrees with torch.

    Example: efficientfan export runs/mobilefan_128/model.safetensors --out mobilefan_128.onnx
    """
    if target != "onnx":
        raise InputError(f"--format {target!r} is not known; onnx is")
    with needs_train_extra("export needs"):
        from efficientfan.export import export_onnx
    report = export_onnx(
        checkpoint, out or checkpoint.with_suffix(".onnx"), tolerance=tolerance, score_threshold=min_score
    )
    print(f"{report.path}: {report.size_bytes / 1e6:.1f} MB; against torch, {report.parity}")
