"""`load`: from a model's name to a predictor that is ready."""

from __future__ import annotations

from pathlib import Path

from efficientfan.predict.backends import open_backend
from efficientfan.predict.detectors import FaceDetector, build_detector
from efficientfan.predict.predictor import LandmarkPredictor
from efficientfan.weights import find_model

__all__ = ["load"]


def load(
    model: str | Path = "default",
    *,
    detector: str | FaceDetector = "auto",
    backend: str | None = None,
    device: str = "cpu",
    threads: int | None = None,
    precision: str = "f32",
    batch_size: int = 32,
) -> LandmarkPredictor:
    """A predictor from a packaged model or an exported file.

    Args:
        model: "default", a packaged model's name (`efficientfan models list`), the path of an `.onnx` file or
            of a `.safetensors` checkpoint.
        detector: "auto", "facefinder", "yunet", "haar", "whole" (the photo is the face), the path of an .onnx
            detector of ours, or an object with `detect`.
        backend: "onnxruntime", "openvino" or "torch"; None lets the file decide (`open_backend`).
        device: of the landmark network: "cpu"; with onnxruntime and torch "cuda" or "cuda:N", with openvino "gpu" or
            "gpu:N", with torch "mps". One that is not there is an error. The detector stays on the processor.
        threads: processor threads of the networks; None takes all cores.
        precision: "f32", "bf16" or "auto" (`open_backend`).
        batch_size: the most crops that go through the network at once.

    Raises:
        InputError: an unknown name, engine, device or precision, or a file that is missing, damaged or not ours.
        MissingDependencyError: an engine, a device or a detector's model file is not there.
    """
    engine = open_backend(
        find_model(model), backend=backend, device=device, threads=threads, precision=precision
    )
    finder = build_detector(detector, threads) if isinstance(detector, str) else detector
    return LandmarkPredictor(engine, finder, batch_size=batch_size)
