"""Does an exported file say what torch, or another file, says?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from efficientfan.errors import EfficientFanError
from efficientfan.files import atomic_path
from efficientfan.predict import Backend
from efficientfan.spec import ModelSpec

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "PARITY_BATCHES",
    "Differences",
    "Parity",
    "measure_backend_parity",
    "measure_file_parity",
    "measure_parity",
    "smooth_picture",
    "write_proved",
]

Array = NDArray[Any]

Run: TypeAlias = Callable[[Array], Sequence[Array]]
"""(N, S, S, 3) uint8 crops to the outputs that the spec speaks of."""

PARITY_BATCHES = (2, 1, 5)
"""Batch sizes that are compared: one the export traced, one alone, and one that it never saw."""


@dataclass(frozen=True)
class Differences:
    """The largest of each output's; subclasses name the outputs."""

    def within(self, tolerance: float) -> bool:
        """Whether all stay within the tolerance; NaN never does."""
        return all(difference <= tolerance for difference in astuple(self))


@dataclass(frozen=True)
class Parity(Differences):
    """Largest differences: points in crop pixels, the others as they are; 0 for what is not there."""

    points: float = 0.0
    scores: float = 0.0
    visibility: float = 0.0

    def __str__(self) -> str:
        visibility = f", visibility by {self.visibility:.2g}" if self.visibility else ""
        return (
            f"points differ by {self.points:.2g} crop pixels at most, scores by {self.scores:.2g}{visibility}"
        )


DifferencesT = TypeVar("DifferencesT", bound=Differences)


def write_proved(
    out: str | Path,
    write: Callable[[Path], None],
    measure: Callable[[Path], DifferencesT],
    tolerance: float,
    original: str = "torch",
) -> DifferencesT:
    """Write a file that agrees with what it was made from, or none.

    Args:
        out: the file.
        write: writes it, to the path that it is given.
        measure: how far it is from the original.
        tolerance: largest allowed difference.
        original: its name, for the error.

    Raises:
        InputError: `out` cannot be written.
        EfficientFanError: the two disagree.
    """
    with atomic_path(out) as temporary:
        write(temporary)
        found = measure(temporary)
        if not found.within(tolerance):
            raise EfficientFanError(f"{out}: not written; the graph disagrees with {original}: {found}")
    return found


def measure_parity(deployed: nn.Module, path: str | Path, spec: ModelSpec, *, seed: int = 0) -> Parity:
    """Run torch and the file on the same crops: smooth random pictures, noise, and one flat gray."""
    return _measure(_torch_run(deployed, spec), _file_run(path, spec), spec, seed=seed)


def measure_backend_parity(deployed: nn.Module, backend: Backend, *, seed: int = 0) -> Parity:
    """As `measure_parity`, for a file that an engine has opened."""
    spec = backend.spec

    def candidate(crops: Array) -> Sequence[Array]:
        found = backend.run(crops)
        return [getattr(found, name) for name in spec.outputs]

    return _measure(_torch_run(deployed, spec), candidate, spec, seed=seed)


def measure_file_parity(whole: str | Path, path: str | Path, spec: ModelSpec, *, seed: int = 0) -> Parity:
    """As `measure_parity`, against another file of the same model."""
    return _measure(_file_run(whole, spec), _file_run(path, spec), spec, seed=seed)


def _measure(reference: Run, candidate: Run, spec: ModelSpec, *, seed: int) -> Parity:
    """As `measure_parity`, of whatever turns crops into the outputs that the spec speaks of."""
    rng = np.random.default_rng(seed)
    worst = dict.fromkeys(spec.outputs, 0.0)
    for count in PARITY_BATCHES:
        crops = np.stack([smooth_picture(spec.input_size, rng) for _ in range(count)])
        crops[0] = 127 if count == 1 else crops[0]
        for name, expected, array in zip(worst, reference(crops), candidate(crops), strict=True):
            difference = np.abs(expected - array).max()
            worst[name] = float(np.maximum(worst[name], difference))  # keeps NaN
    return Parity(**worst)


def _torch_run(deployed: nn.Module, spec: ModelSpec) -> Run:
    import torch

    def run(crops: Array) -> Sequence[Array]:
        with torch.no_grad():
            found = deployed(torch.from_numpy(crops))
        return [getattr(found, name).numpy() for name in spec.outputs]

    return run


def _file_run(path: str | Path, spec: ModelSpec) -> Run:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda crops: list(session.run(list(spec.outputs), {"crops": crops}))


def smooth_picture(size: int, rng: np.random.Generator) -> np.ndarray:
    """Coarse random colors, enlarged smoothly, with fine noise: neither flat nor pure noise."""
    coarse = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    smooth = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.asarray((smooth + rng.normal(0, 8, smooth.shape)).clip(0, 255).astype(np.uint8))
