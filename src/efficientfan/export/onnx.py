"""ONNX: one graph from uint8 crops to landmarks, with the spec in its metadata."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from efficientfan.export.half_weights import tolerance_of
from efficientfan.export.parity import PARITY_BATCHES, Parity, measure_parity, write_proved
from efficientfan.export.torch_graph import write_graph
from efficientfan.models import LandmarkNet, load_checkpoint
from efficientfan.models.deployed import DeployedNet
from efficientfan.spec import ModelSpec

__all__ = ["ExportReport", "export_onnx"]


@dataclass(frozen=True)
class ExportReport:
    """What was written, and how far it is from torch."""

    path: Path
    size_bytes: int
    parity: Parity


def export_onnx(
    checkpoint: str | Path,
    out: str | Path,
    *,
    tolerance: float | None = None,
    name: str | None = None,
    score_threshold: float | None = None,
    half_weights: bool = False,
    code: str | Path | None = None,
) -> ExportReport:
    """Write a checkpoint as ONNX and prove that it agrees with torch.

    The graph takes `crops` (N, S, S, 3) uint8 RGB and returns `points` (N, K, 2), crop pixels, and `scores`
    (N, K) in [0, 1], both float32; N is free. A network with a visibility head gives `visibility` (N, K, 3)
    besides, the probabilities of `VISIBILITY_CLASSES`. Nothing is written unless every number agrees.

    Args:
        checkpoint: a `.safetensors` file of this package.
        out: the `.onnx` file.
        tolerance: largest allowed distance of a point from torch's, in crop pixels; the same number bounds scores
            and probabilities. None takes 0.01, or more with half weights (`tolerance_of`).
        name: of the model, for the file's spec; None keeps the checkpoint's.
        score_threshold: for the file's spec, in [0, 1]; None keeps the checkpoint's.
        half_weights: half the file size, by storing weights as float16; the arithmetic stays float32.
        code: see `efficientfan.models.load_checkpoint`.

    Raises:
        InputError: the checkpoint is unusable or `out` cannot be written.
        EfficientFanError: the exported graph disagrees with torch.
    """
    network, spec = load_checkpoint(checkpoint, code=code)
    spec = spec.renewed(name=name, score_threshold=score_threshold)
    deployed = DeployedNet(network, spec).eval()
    parity = write_proved(
        out,
        lambda path: _write_graph(network, spec, path, half_weights=half_weights),
        lambda path: measure_parity(deployed, path, spec),
        tolerance_of(half_weights) if tolerance is None else tolerance,
    )
    return ExportReport(Path(out), Path(out).stat().st_size, parity)


class _Graph(nn.Module):
    """The outputs that are there, as the plain tuple that the exporter wants."""

    def __init__(self, deployed: DeployedNet) -> None:
        super().__init__()
        self.deployed = deployed

    def forward(self, crops: Tensor) -> tuple[Tensor, ...]:
        return tuple(output for output in self.deployed(crops) if output is not None)


def _write_graph(network: LandmarkNet, spec: ModelSpec, path: Path, *, half_weights: bool = False) -> None:
    write_graph(
        _Graph(DeployedNet(network, spec)).eval(),
        torch.zeros((PARITY_BATCHES[0], spec.input_size, spec.input_size, 3), dtype=torch.uint8),
        spec,
        path,
        inputs={"crops": {0: torch.export.Dim("faces", min=1, max=4096)}},
        outputs=spec.outputs,
        half_weights=half_weights,
    )
