"""A checkpoint of half the size, to keep or to share: a start of training or a teacher, as an ONNX file cannot be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from efficientfan.export.detector import DetectorExport, measure_detector_parity
from efficientfan.export.half_weights import FEWEST, tolerance_of
from efficientfan.export.onnx import ExportReport
from efficientfan.export.parity import measure_backend_parity, write_proved
from efficientfan.models import load_checkpoint, load_detector_checkpoint, save_tensors
from efficientfan.models.checkpoint import read_tensors
from efficientfan.models.deployed import DeployedNet
from efficientfan.models.detector import DeployedDetector
from efficientfan.predict.backends.torch import TorchBackend
from efficientfan.spec import DetectorSpec

__all__ = ["halve_checkpoint"]


def halve_checkpoint(
    checkpoint: str | Path, out: str | Path, *, tolerance: float | None = None
) -> ExportReport | DetectorExport:
    """Write a landmark network's or a detector's checkpoint with float16 weights, and prove that it says the same.

    Whoever loads it gets float32 back; small tensors, and those that float16 cannot hold, stay whole.

    Args:
        checkpoint: a `.safetensors` file of this package; one with code of your own is refused.
        out: the `.safetensors` file.
        tolerance: see `export_onnx`; None takes `HALF_TOLERANCE`.

    Raises:
        InputError: the checkpoint is unusable or `out` cannot be written.
        EfficientFanError: the two disagree; nothing is written.
    """
    tensors, spec = read_tensors(checkpoint)
    halves = {name: _halved(tensor) for name, tensor in tensors.items()}
    limit = tolerance_of(True) if tolerance is None else tolerance

    def write(path: Path) -> None:
        save_tensors(path, halves, spec)

    if isinstance(spec, DetectorSpec):
        whole = DeployedDetector(*load_detector_checkpoint(checkpoint)).eval()

        def run(path: Path, picture: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
            half = DeployedDetector(*load_detector_checkpoint(path)).eval()
            with torch.no_grad():
                return [each.numpy() for each in half(torch.from_numpy(picture))]

        found = write_proved(
            out,
            write,
            lambda path: measure_detector_parity(whole, lambda picture: run(path, picture), spec),
            limit,
        )
        return DetectorExport(Path(out), Path(out).stat().st_size, found)
    deployed = DeployedNet(*load_checkpoint(checkpoint)).eval()
    parity = write_proved(
        out, write, lambda path: measure_backend_parity(deployed, TorchBackend(path, threads=1)), limit
    )
    return ExportReport(Path(out), Path(out).stat().st_size, parity)


def _halved(tensor: torch.Tensor) -> torch.Tensor:
    fits = tensor.is_floating_point() and tensor.numel() >= FEWEST
    return tensor.half() if fits and tensor.abs().max() < torch.finfo(torch.float16).max else tensor
