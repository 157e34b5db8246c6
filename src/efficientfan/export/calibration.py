"""Real crops, for a quantizer to see what ranges the numbers inside a network have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientfan.errors import InputError
from efficientfan.evaluation.landmarks.test_set import annotation_boxes
from efficientfan.geometry import CropTransform
from efficientfan.imaging import read_rgb, warp
from efficientfan.predict.many import PhotoFaces, predict_photos
from efficientfan.predict.photos import find_photos
from efficientfan.predict.predictor import LandmarkPredictor
from efficientfan.spec import ModelSpec
from efficientfan.structures import Annotation

__all__ = ["Calibration", "crops_of_dataset", "crops_of_photos"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Calibration:
    """What a network is calibrated on.

    Attributes:
        source: where the faces are from, for the record.
        crops: (N, S, S, 3) uint8 RGB.
        seed: that chose them.
    """

    source: str
    crops: Array
    seed: int

    def __post_init__(self) -> None:
        if not len(self.crops):
            raise InputError(f"{self.source}: holds no face to calibrate on")


def crops_of_dataset(
    source: str, annotations: Sequence[Annotation], spec: ModelSpec, *, count: int, seed: int
) -> Calibration:
    """Crops of up to `count` annotated faces chosen at random, in their ground-truth boxes.

    Raises:
        InputError: no faces, a face without a box, or an unreadable photo.
    """
    chosen = [annotations[index] for index in _choice(len(annotations), count, seed)]
    crops = [
        _crop(read_rgb(face.image), box, spec)
        for face, box in zip(chosen, spec.crop_boxes(annotation_boxes(chosen, "gt")), strict=True)
    ]
    return _calibration(source, crops, spec, seed)


def crops_of_photos(
    folder: str | Path,
    predictor: LandmarkPredictor,
    *,
    count: int,
    seed: int,
    tell: Callable[[str], None] = lambda reason: None,
) -> Calibration:
    """Crops of up to `count` faces that the predictor finds in a folder's photos, taken in random order.

    Args:
        folder: photos, in folders of their own too.
        predictor: finds the faces; its landmarks say where the crops are.
        count: most faces.
        seed: of the order.
        tell: hears of each photo that could not be used.

    Raises:
        InputError: no photos, or no face in any.
    """
    photos = find_photos([folder], recursive=True)
    order = [photos[index] for index in _choice(len(photos), len(photos), seed)]
    crops: list[Array] = []
    for result in predict_photos(predictor, order):
        if not isinstance(result, PhotoFaces):
            tell(result.reason)
            continue
        for face in result.faces:
            (box,) = predictor.spec.crop_boxes(face.tight_box[None])
            crops.append(_crop(result.image, box, predictor.spec))
        if len(crops) >= count:
            break
    return _calibration(str(Path(folder).name or folder), crops[:count], predictor.spec, seed)


def _choice(total: int, count: int, seed: int) -> Array:
    return np.random.default_rng(seed).permutation(total)[:count]


def _crop(image: Array, box: Array, spec: ModelSpec) -> Array:
    return np.asarray(warp(image, [CropTransform.from_box(box, spec.input_size, spec.crop_margin)])[0])


def _calibration(source: str, crops: list[Array], spec: ModelSpec, seed: int) -> Calibration:
    side = spec.input_size
    return Calibration(source, np.stack(crops) if crops else np.zeros((0, side, side, 3), np.uint8), seed)
