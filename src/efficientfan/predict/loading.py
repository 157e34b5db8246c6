"""`load`: from a model's name to a predictor that is ready."""

from __future__ import annotations

from pathlib import Path

from efficientfan.predict.detectors import FaceDetector, build_detector
from efficientfan.predict.onnx_backend import OnnxBackend
from efficientfan.predict.predictor import LandmarkPredictor
from efficientfan.weights import find_model

__all__ = ["load"]


def load(
    model: str | Path = "default",
    *,
    detector: str | FaceDetector = "auto",
    device: str = "cpu",
    threads: int | None = None,
    batch_size: int = 32,
) -> LandmarkPredictor:
    """A predictor from a packaged model or an exported file.

    Args:
        model: "default", a packaged model's name (`efficientfan models list`), or an `.onnx` file's path.
        detector: "auto", "yunet", "haar", "whole" (the photo is the face), or an object with `detect`.
        device: "cpu", "cuda" or "cuda:N"; one that is not there is an error.
        threads: processor threads of the network; None takes all cores.
        batch_size: the most crops that go through the network at once.

    Raises:
        InputError: an unknown name, or a file that is missing, damaged or not ours.
        MissingDependencyError: a device or a detector's model file is not there.
    """
    backend = OnnxBackend(find_model(model), device, threads)
    finder = build_detector(detector) if isinstance(detector, str) else detector
    return LandmarkPredictor(backend, finder, batch_size=batch_size)
