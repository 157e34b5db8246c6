"""ONNX: one graph from uint8 crops to landmarks, with the spec in its metadata."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from efficientfan.errors import EfficientFanError
from efficientfan.export.parity import PARITY_BATCHES, Parity, measure_parity
from efficientfan.files import atomic_path
from efficientfan.models import LandmarkNet, load_checkpoint
from efficientfan.models.deployed import DeployedNet
from efficientfan.spec import METADATA_KEY, ModelSpec

__all__ = ["ExportReport", "export_onnx"]

OPSET = 18
"""The lowest opset that the exporter writes without conversion, so that older ONNX Runtimes read the file."""


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
    tolerance: float = 0.01,
    score_threshold: float | None = None,
) -> ExportReport:
    """Write a checkpoint as ONNX and prove that it agrees with torch.

    The graph takes `crops` (N, S, S, 3) uint8 RGB and returns `points` (N, K, 2), crop pixels, and `scores`
    (N, K) in [0, 1], both float32; N is free. A network with a visibility head gives `visibility` (N, K, 3)
    besides, the probabilities of `VISIBILITY_CLASSES`. Nothing is written unless every number agrees.

    Args:
        checkpoint: a `.safetensors` file of this package.
        out: the `.onnx` file.
        tolerance: largest allowed distance of a point from torch's, in crop pixels; the same number bounds scores
            and probabilities.
        score_threshold: for the file's spec, in [0, 1]; None keeps the checkpoint's.

    Raises:
        InputError: the checkpoint is unusable or `out` cannot be written.
        EfficientFanError: the exported graph disagrees with torch.
    """
    network, spec = load_checkpoint(checkpoint)
    if score_threshold is not None:
        spec = replace(spec, score_threshold=score_threshold)
    with atomic_path(out) as temporary:
        _write_graph(network, spec, temporary)
        parity = measure_parity(DeployedNet(network, spec).eval(), temporary, spec)
        if not parity.within(tolerance):
            raise EfficientFanError(f"{out}: not written; the exported graph disagrees with torch: {parity}")
        size = temporary.stat().st_size
    return ExportReport(Path(out), size, parity)


class _Graph(nn.Module):
    """The outputs that are there, as the plain tuple that the exporter wants."""

    def __init__(self, deployed: DeployedNet) -> None:
        super().__init__()
        self.deployed = deployed

    def forward(self, crops: Tensor) -> tuple[Tensor, ...]:
        return tuple(output for output in self.deployed(crops) if output is not None)


def _write_graph(network: LandmarkNet, spec: ModelSpec, path: Path) -> None:
    crops = torch.zeros((PARITY_BATCHES[0], spec.input_size, spec.input_size, 3), dtype=torch.uint8)
    with _quiet():
        program = torch.onnx.export(
            _Graph(DeployedNet(network, spec)).eval(),
            (crops,),
            input_names=["crops"],
            output_names=list(spec.outputs),
            dynamic_shapes={"crops": {0: torch.export.Dim("faces", min=1, max=4096)}},
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise EfficientFanError("the exporter returned no graph")
    model = program.model_proto
    for entry in (*model.graph.node, *model.functions):
        del entry.metadata_props[:]  # stack traces of the machine that exported
    for value in model.graph.value_info:
        del value.metadata_props[:]
    onnx.helper.set_model_props(model, {METADATA_KEY: spec.to_json()})
    model.producer_name, model.producer_version = "efficientfan", spec.code_version
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's own chatter; errors still raise."""
    level = logging.getLogger("torch.onnx").level
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), open(os.devnull, "w") as null:
        warnings.simplefilter("ignore")
        with contextlib.redirect_stderr(null):
            try:
                yield
            finally:
                logging.getLogger("torch.onnx").setLevel(level)
