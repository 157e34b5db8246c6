"""From photos to landmarks, without torch: detectors, backends, the predictor, many photos, output formats."""

from efficientfan.predict.backends import Backend, BackendOutput, open_backend
from efficientfan.predict.backends.onnx import OnnxBackend
from efficientfan.predict.detectors import Detections, FaceDetector, open_detector
from efficientfan.predict.many import PhotoFaces, PhotoFailure, Workers, predict_photos
from efficientfan.predict.photos import Photo, find_photos
from efficientfan.predict.predictor import LandmarkPredictor, load
from efficientfan.predict.timing import StageTimes

__all__ = [
    "Backend",
    "BackendOutput",
    "Detections",
    "FaceDetector",
    "PhotoFailure",
    "PhotoFaces",
    "LandmarkPredictor",
    "OnnxBackend",
    "Photo",
    "StageTimes",
    "Workers",
    "find_photos",
    "load",
    "open_backend",
    "open_detector",
    "predict_photos",
]
