"""A trained detector that is asked about every training picture of another."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from efficientfan.codec.centers import decode_boxes, decode_points
from efficientfan.errors import InputError
from efficientfan.models import channels_last
from efficientfan.models.checkpoint import load_detector_checkpoint
from efficientfan.models.detector import DeployedDetector, FaceDetectorNet
from efficientfan.spec import DetectorSpec

__all__ = ["DetectorTeacher", "Taught", "load_detector_teacher"]


class Taught(NamedTuple):
    """What a teacher says of N images.

    Attributes:
        chances: (N, 1, h, w) of a face's center, in [0, 1].
        boxes: (N, h, w, 4) xyxy, pixels.
        points: (N, h, w, 5, 2), pixels.
    """

    chances: Tensor
    boxes: Tensor
    points: Tensor


class DetectorTeacher:
    """Frozen, and on purpose no `nn.Module`: it is no part of the student's weights, checkpoints and averages."""

    def __init__(self, network: FaceDetectorNet, spec: DetectorSpec) -> None:
        self.deployed = DeployedDetector(network, spec).eval().requires_grad_(False)

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Taught:
        """(N, H, W, 3) uint8 RGB."""
        self.deployed.to(images.device)
        network = self.deployed.network
        maps = network(self.deployed.normalize(images))
        numbers = maps.boxes.float()
        return Taught(
            maps.centers.float().sigmoid(),
            decode_boxes(numbers, network.stride),
            decode_points(numbers, maps.points.float(), network.stride),
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> DetectorTeacher:
        return self


def load_detector_teacher(path: Path, student: FaceDetectorNet) -> DetectorTeacher:
    """Read a teacher from a detector's `.safetensors` file.

    Raises:
        InputError: unreadable, or its cells are not the student's.
    """
    network, spec = load_detector_checkpoint(path)
    if network.stride != student.stride:
        raise InputError(
            f"{path}: this teacher has a cell every {network.stride} pixels, the student every {student.stride}; give "
            "both as many model.options.levels"
        )
    return DetectorTeacher(channels_last(network), spec)
