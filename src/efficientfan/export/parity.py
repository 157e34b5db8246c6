"""Does an exported file say what torch says?"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import torch
from torch import nn

from efficientfan.spec import ModelSpec

__all__ = ["PARITY_BATCHES", "Parity", "measure_parity"]

PARITY_BATCHES = (2, 1, 5)
"""Batch sizes that are compared: one the export traced, one alone, and one that it never saw."""


@dataclass(frozen=True)
class Parity:
    """Largest differences from torch: points in crop pixels, the others as they are; 0 for what is not there."""

    points: float = 0.0
    scores: float = 0.0
    visibility: float = 0.0

    def within(self, tolerance: float) -> bool:
        """Whether all stay within the tolerance; NaN never does."""
        return all(difference <= tolerance for difference in astuple(self))

    def __str__(self) -> str:
        visibility = f", visibility by {self.visibility:.2g}" if self.visibility else ""
        return (
            f"points differ by {self.points:.2g} crop pixels at most, scores by {self.scores:.2g}{visibility}"
        )


def measure_parity(deployed: nn.Module, path: str | Path, spec: ModelSpec, *, seed: int = 0) -> Parity:
    """Run torch and the file on the same crops: smooth random pictures, noise, and one flat grey."""
    rng = np.random.default_rng(seed)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = dict.fromkeys(spec.outputs, 0.0)
    for count in PARITY_BATCHES:
        crops = np.stack([_picture(spec.input_size, rng) for _ in range(count)])
        crops[0] = 127 if count == 1 else crops[0]
        with torch.no_grad():
            expected = deployed(torch.from_numpy(crops))
        found = session.run(list(worst), {"crops": crops})
        for name, array in zip(worst, found, strict=True):
            difference = np.abs(getattr(expected, name).numpy() - array).max()
            worst[name] = float(np.maximum(worst[name], difference))  # keeps NaN
    return Parity(**worst)


def _picture(size: int, rng: np.random.Generator) -> np.ndarray:
    """Coarse random colours, enlarged smoothly, with fine noise: neither flat nor pure noise."""
    coarse = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    smooth = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.asarray((smooth + rng.normal(0, 8, smooth.shape)).clip(0, 255).astype(np.uint8))
