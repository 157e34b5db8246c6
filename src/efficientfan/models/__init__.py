"""Networks: encoder (timm) + decoder + head, by name. Needs the `train` extra."""

from efficientfan.models.checkpoint import (
    load_checkpoint,
    load_detector_checkpoint,
    save_checkpoint,
    save_tensors,
    start_detector_from,
    start_from,
)
from efficientfan.models.detector import FaceDetectorNet, build_detector_network
from efficientfan.models.network import LandmarkNet, NetworkOutput, NetworkSummary, channels_last, summarize
from efficientfan.models.zoo import build_network, list_networks

__all__ = [
    "FaceDetectorNet",
    "LandmarkNet",
    "NetworkOutput",
    "NetworkSummary",
    "build_detector_network",
    "build_network",
    "channels_last",
    "list_networks",
    "load_checkpoint",
    "load_detector_checkpoint",
    "save_checkpoint",
    "save_tensors",
    "start_detector_from",
    "start_from",
    "summarize",
]
