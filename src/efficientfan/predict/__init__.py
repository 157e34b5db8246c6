"""From photos to landmarks, without torch: detectors, backends, the predictor, output formats."""

from efficientfan.predict.backends import Backend, BackendOutput, open_backend
from efficientfan.predict.backends.onnx import OnnxBackend
from efficientfan.predict.detectors import Detections, FaceDetector, open_detector
from efficientfan.predict.predictor import LandmarkPredictor, load

__all__ = [
    "Backend",
    "BackendOutput",
    "Detections",
    "FaceDetector",
    "LandmarkPredictor",
    "OnnxBackend",
    "open_detector",
    "load",
    "open_backend",
]
