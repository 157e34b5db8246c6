"""From photos to landmarks, without torch: detectors, backends, the predictor, output formats."""

from efficientfan.predict.backend import Backend, BackendOutput
from efficientfan.predict.backends import open_backend
from efficientfan.predict.detectors import Detections, FaceDetector, build_detector
from efficientfan.predict.loading import load
from efficientfan.predict.onnx_backend import OnnxBackend
from efficientfan.predict.predictor import LandmarkPredictor

__all__ = [
    "Backend",
    "BackendOutput",
    "Detections",
    "FaceDetector",
    "LandmarkPredictor",
    "OnnxBackend",
    "build_detector",
    "load",
    "open_backend",
]
