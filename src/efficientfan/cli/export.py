"""`efficientfan export`: convert a checkpoint to a file that runs without torch."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from efficientfan.errors import InputError, needs_extra

__all__ = ["export_command"]


def export_command(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            help="A .safetensors file written by `efficientfan train`; with --half-weights also an .onnx file."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="The file to write; the checkpoint's name with .onnx or .param, or _half, if not given."
        ),
    ] = None,
    target: Annotated[
        str, typer.Option("--format", help="onnx; ncnn, for phones; safetensors, a smaller checkpoint.")
    ] = "onnx",
    tolerance: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="Largest distance of a point or a box's side from torch's, in pixels.",
            show_default="0.01, or 0.2 with half weights",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(help="Name of the model in results.", show_default="the checkpoint's, its recipe"),
    ] = None,
    min_score: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Drop faces that score below this; the checkpoint's own threshold if not given.",
        ),
    ] = None,
    half_weights: Annotated[
        bool,
        typer.Option(
            "--half-weights",
            help="Store weights as float16, which halves the file. Arithmetic stays float32, at the same speed.",
        ),
    ] = False,
    code: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Import the .py files of your own network or head from here; only for models of your own.",
        ),
    ] = None,
) -> None:
    """Write one graph from uint8 pixels to landmarks or face boxes, with its spec inside.

    The checkpoint may be of a landmark network or of a face detector. Nothing is written if the graph disagrees
    with torch.

    Examples:

        efficientfan export runs/mobilefan_128/model.safetensors --out mobilefan_128.onnx

        efficientfan export mobilefan_128.onnx --half-weights --out mobilefan_128_half.onnx

        efficientfan export runs/mobilefan_128/model.safetensors --format ncnn --out mobilefan_128.param

        efficientfan export runs/teacher/model.safetensors --format safetensors --half-weights --out teacher.safetensors
    """
    if target not in ("onnx", "ncnn", "safetensors"):
        raise InputError(f"--format {target!r} is not known; onnx, ncnn and safetensors are")
    if checkpoint.suffix == ".onnx":
        if target != "onnx":
            raise InputError(f"{checkpoint}: --format {target} starts from the .safetensors checkpoint")
        if name is not None:
            raise InputError("--name can only be set when exporting a .safetensors checkpoint")
        if code is not None:
            raise InputError(f"{checkpoint}: is already exported, and needs no code; leave --code out")
        _halve(checkpoint, out, tolerance, half_weights, min_score)
        return
    with needs_extra("train", "export needs"):
        from efficientfan.export import export_detector, export_ncnn, export_onnx, halve_checkpoint
        from efficientfan.models.checkpoint import is_detector
    if target == "safetensors":
        if not half_weights or min_score is not None or code is not None or name is not None:
            raise InputError(
                "--format safetensors goes with --half-weights, and with none of --name, --min-score and --code"
            )
        half = out or checkpoint.with_name(f"{checkpoint.stem}_half.safetensors")
        said = halve_checkpoint(checkpoint, half, tolerance=tolerance)
        print(f"{said.path}: {said.size_bytes / 1e6:.1f} MB; against the whole one, {said.parity}")
        return
    detector = is_detector(checkpoint)
    if detector and code is not None:
        raise InputError(
            f"{checkpoint}: is a face detector, whose network is never your own; leave --code out"
        )
    if detector and target == "ncnn":
        raise InputError(
            f"{checkpoint}: is a face detector, whose peaks ncnn cannot pick; export it as onnx, which phones run too"
        )
    landmarks = export_ncnn if target == "ncnn" else export_onnx
    write = export_detector if detector else partial(landmarks, code=code)
    report = write(
        checkpoint,
        out or checkpoint.with_suffix(".param" if target == "ncnn" else ".onnx"),
        tolerance=tolerance,
        name=name,
        score_threshold=min_score,
        half_weights=half_weights,
    )
    print(f"{report.path}: {report.size_bytes / 1e6:.1f} MB; against torch, {report.parity}")


def _halve(
    path: Path, out: Path | None, tolerance: float | None, half_weights: bool, min_score: float | None
) -> None:
    """Halve the weights of a file that is already exported."""
    if not half_weights:
        raise InputError(f"{path}: is already exported; --half-weights makes it smaller")
    if min_score is not None:
        raise InputError("--min-score can only be set when exporting a .safetensors checkpoint")
    with needs_extra("quantize", "half weights need"):
        from efficientfan.export import halve_file
        from efficientfan.export.half_weights import HALF_TOLERANCE
    target = out or path.with_name(f"{path.stem}_half.onnx")
    parity = halve_file(path, target, tolerance=HALF_TOLERANCE if tolerance is None else tolerance)
    print(
        f"{target}: {target.stat().st_size / 1e6:.1f} MB instead of {path.stat().st_size / 1e6:.1f}; {parity}"
    )
