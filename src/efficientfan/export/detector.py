"""A face detector as ONNX: one graph from a uint8 photo to boxes and scores, with its spec inside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from efficientfan.export.half_weights import tolerance_of
from efficientfan.export.parity import Differences, smooth_picture, write_proved
from efficientfan.export.torch_graph import write_graph
from efficientfan.models import load_detector_checkpoint
from efficientfan.models.detector import DeployedDetector
from efficientfan.spec import DetectorSpec

__all__ = ["DetectorExport", "DetectorParity", "export_detector", "measure_detector_parity"]

DetectorRun: TypeAlias = Callable[[NDArray[Any]], Sequence[NDArray[Any]]]
"""(1, H, W, 3) uint8 to boxes, scores and points, as of `DeployedDetector`."""

_OUTPUTS = ("boxes", "scores", "points")
_SIZES = ((2, 3), (1, 1), (5, 4))
"""Heights and widths, in multiples of the network's, that are compared: one that was traced, and others."""


@dataclass(frozen=True)
class DetectorParity(Differences):
    """Largest differences from torch where a cell scores above zero: boxes and points in pixels, scores as they are.

    Scores are infinitely far apart where the two find different cells.
    """

    boxes: float
    scores: float
    points: float

    def __str__(self) -> str:
        apart = f"boxes differ by {self.boxes:.2g} pixels at most, points by {self.points:.2g}"
        return f"{apart}, scores by {self.scores:.2g}"


@dataclass(frozen=True)
class DetectorExport:
    """What was written, and how far it is from torch."""

    path: Path
    size_bytes: int
    parity: DetectorParity


def export_detector(
    checkpoint: str | Path,
    out: str | Path,
    *,
    tolerance: float | None = None,
    name: str | None = None,
    score_threshold: float | None = None,
    half_weights: bool = False,
) -> DetectorExport:
    """Write a detector's checkpoint as ONNX and prove that it agrees with torch.

    The graph takes `images` (1, H, W, 3) uint8 RGB, H and W multiples of the spec's `multiple`, and returns
    `boxes` (1, cells, 4), xyxy pixels, `scores` (1, cells) in [0, 1], zero but at peaks, and `points` (1, cells, 10), x
    and y of schema "five" in turn.

    Args:
        checkpoint: a detector's `.safetensors` file.
        out: the `.onnx` file.
        tolerance: largest allowed difference from torch, in pixels and in score. None takes 0.01, or
            more with half weights (`tolerance_of`).
        name: of the model, for the file's spec; None keeps the checkpoint's.
        score_threshold: for the file's spec; None keeps the checkpoint's.
        half_weights: half the file size, by storing weights as float16; the arithmetic stays float32.

    Raises:
        InputError: the checkpoint is unusable or `out` cannot be written.
        EfficientFanError: the exported graph disagrees with torch.
    """
    network, spec = load_detector_checkpoint(checkpoint)
    spec = spec.renewed(name=name, score_threshold=score_threshold)
    deployed = DeployedDetector(network, spec).eval()
    parity = write_proved(
        out,
        lambda path: _write(deployed, spec, path, half_weights=half_weights),
        lambda path: measure_detector_parity(deployed, _file_run(path), spec),
        tolerance_of(half_weights) if tolerance is None else tolerance,
    )
    return DetectorExport(Path(out), Path(out).stat().st_size, parity)


def _write(deployed: DeployedDetector, spec: DetectorSpec, path: Path, *, half_weights: bool) -> None:
    rows, columns = (torch.export.Dim(name, min=1, max=256) for name in ("rows", "columns"))
    height, width = (spec.multiple * count for count in _SIZES[0])
    write_graph(
        deployed,
        torch.zeros((1, height, width, 3), dtype=torch.uint8),
        spec,
        path,
        inputs={"images": {1: spec.multiple * rows, 2: spec.multiple * columns}},
        outputs=_OUTPUTS,
        half_weights=half_weights,
    )


def _file_run(path: Path) -> DetectorRun:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda picture: session.run(list(_OUTPUTS), {"images": picture})


def measure_detector_parity(
    deployed: DeployedDetector, run: DetectorRun, spec: DetectorSpec
) -> DetectorParity:
    """Run torch and another form of the detector on the same smooth pictures."""
    rng = np.random.default_rng(0)
    worst = np.zeros(len(_OUTPUTS))
    for size in _SIZES:
        height, width = (spec.multiple * count for count in size)
        picture = np.ascontiguousarray(smooth_picture(max(height, width), rng)[None, :height, :width])
        with torch.no_grad():
            expected = [each.numpy() for each in deployed(torch.from_numpy(picture))]
        found = run(picture)
        seen = [scores > 0 for _, scores, _ in (expected, found)]
        peaks = seen[0] & seen[1]
        differences = [np.abs(a - b)[peaks].max(initial=0) for a, b in zip(expected, found, strict=True)]
        worst = np.maximum(worst, differences)  # keeps NaN
        # A tie between neighbors may fall either way; where nothing scores, such as NaN, nothing was compared.
        if peaks.sum() < 0.9 * max(seen[0].sum(), seen[1].sum(), 1):
            worst[1] = np.inf
    return DetectorParity(*map(float, worst))
