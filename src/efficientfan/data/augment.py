"""Random crops for training: geometry composed into the one `CropTransform`, then changes of the pixels."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from efficientfan.data.occluders import OCCLUDERS
from efficientfan.errors import InputError
from efficientfan.geometry import CropTransform

__all__ = ["PHOTOMETRIC", "Augmentation", "random_transform"]

Array = NDArray[Any]
Change: TypeAlias = Callable[[Array, np.random.Generator], Array]


@dataclass(frozen=True)
class Augmentation:
    """How far training crops stray. Geometry is uniform within +-limit; the others are probabilities.

    There is no box jitter besides: a crop knows its box by center and longer side alone, so `shift` and
    `scale` reach every crop that a moved or resized box would give. A shift of 0.05 crop sides at margin 0.25
    moves the box by 1/16 of its longer side.

    Attributes:
        rotation: degrees.
        rotated: probability that a face is rotated at all.
        scale: share of the size, log-uniform; 0.25 draws factors from 1 / 1.25 to 1.25.
        shift: crop sides, along x and y of the crop.
        flip: probability of mirroring.
        color, gray, blur, strong_blur, noise, jpeg, low_resolution: probabilities of the changes in `PHOTOMETRIC`.
        occlusion, hand, mask: probabilities of what stands before the face, in `OCCLUDERS`.
    """

    rotation: float = 30.0
    scale: float = 0.25
    shift: float = 0.05
    flip: float = 0.5
    color: float = 0.5
    gray: float = 0.1
    blur: float = 0.1
    noise: float = 0.1
    jpeg: float = 0.1
    low_resolution: float = 0.1
    occlusion: float = 0.3
    strong_blur: float = 0.0
    hand: float = 0.0
    mask: float = 0.0
    rotated: float = 1.0

    def __post_init__(self) -> None:
        for name in ("flip", "rotated", *OCCLUDERS, *PHOTOMETRIC):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"augmentation: {name} is a probability, not {getattr(self, name)}")
        for name in ("rotation", "scale", "shift"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(f"augmentation: {name} is a limit, at least 0, not {getattr(self, name)}")

    def change_scene(self, crop: Array, points: Array, down: Array, rng: np.random.Generator) -> Array:
        """What hides a part of the face, each with its probability.

        Args:
            crop: (S, S, 3) uint8.
            points: (K, 2) landmarks in crop pixels, NaN where unlabeled.
            down: (2,) unit vector in the crop from the forehead to the chin.
            rng: decides.
        """
        for name, occlude in OCCLUDERS.items():
            if rng.random() < getattr(self, name):
                crop = occlude(crop, points, down, rng)
        return crop

    def change_photo(self, crop: Array, rng: np.random.Generator) -> Array:
        """What lens, sensor and file do to the whole (S, S, 3) uint8 crop, each with its probability."""
        for name, change in PHOTOMETRIC.items():
            if rng.random() < getattr(self, name):
                crop = change(crop, rng)
        return crop


def random_transform(
    box: Array, size: int, margin: float, augmentation: Augmentation, rng: np.random.Generator
) -> tuple[CropTransform, bool]:
    """A random crop around an xyxy box, and whether it is mirrored (the caller swaps the landmarks then)."""
    flip = bool(rng.random() < augmentation.flip)
    limit = np.log1p(augmentation.scale)
    angle = rng.uniform(-1, 1) * augmentation.rotation
    if augmentation.rotated < 1 and rng.random() >= augmentation.rotated:
        angle = 0.0
    transform = CropTransform.from_box(
        box,
        size,
        margin,
        rotation=angle,
        scale=float(np.exp(rng.uniform(-limit, limit))),
        shift=(rng.uniform(-1, 1) * augmentation.shift, rng.uniform(-1, 1) * augmentation.shift),
        flip=flip,
    )
    return transform, flip


def _color(crop: Array, rng: np.random.Generator) -> Array:
    """Brightness, contrast, a gain per channel and gamma, as one look-up table per channel."""
    value = np.arange(256) / 255
    table = np.empty((1, 256, 3))
    contrast, brightness, gamma = (
        rng.uniform(0.7, 1.3),
        rng.uniform(-0.2, 0.2),
        np.exp(rng.uniform(-0.3, 0.3)),
    )
    for channel, gain in enumerate(rng.uniform(0.85, 1.15, 3)):
        table[0, :, channel] = (((value - 0.5) * contrast + 0.5 + brightness) * gain).clip(0, 1) ** gamma
    return np.asarray(cv2.LUT(crop, (table * 255).round().astype(np.uint8)))


def _blur(crop: Array, rng: np.random.Generator) -> Array:
    sigma = max(0.4, rng.uniform(0.004, 0.015) * len(crop))  # less than 0.4 pixels cannot be seen
    return np.asarray(cv2.GaussianBlur(crop, (0, 0), sigma))


def _strong_blur(crop: Array, rng: np.random.Generator) -> Array:
    """Out of focus, or moved along a line: up to 6 % of the face's height, log-uniform."""
    side = len(crop)
    strength = side * np.exp(rng.uniform(np.log(0.015), np.log(0.05)))
    if rng.random() < 0.5:
        return np.asarray(cv2.GaussianBlur(crop, (0, 0), max(0.5, strength)))
    length = max(3.0, 3.5 * strength)  # a line of this length has the Gaussian's standard deviation
    taps = 2 * int(np.ceil(length / 2)) + 1
    kernel = np.zeros((taps, taps), np.float32)
    angle = rng.uniform(0, np.pi)
    half = np.array([np.cos(angle), np.sin(angle)]) * (length - 1) / 2
    ends = [tuple(np.rint(taps // 2 + end).astype(int).tolist()) for end in (-half, half)]
    cv2.line(kernel, ends[0], ends[1], 1.0)
    return np.asarray(cv2.filter2D(crop, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT_101))


def _low_resolution(crop: Array, rng: np.random.Generator) -> Array:
    """As if the face had a quarter to 0.6 of the crop's pixels. `cv2.resize` keeps our pixel convention."""
    side = len(crop)
    small = min(side, max(8, round(side * rng.uniform(0.25, 0.6))))
    reduced = cv2.resize(crop, (small, small), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(reduced, (side, side), interpolation=cv2.INTER_LINEAR))


def _noise(crop: Array, rng: np.random.Generator) -> Array:
    noise = rng.standard_normal(crop.shape, np.float32) * np.float32(rng.uniform(3, 15))
    return np.asarray(np.rint(crop + noise).clip(0, 255).astype(np.uint8))


def _gray(crop: Array, rng: np.random.Generator) -> Array:
    return np.asarray(cv2.cvtColor(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB))


def _jpeg(crop: Array, rng: np.random.Generator) -> Array:
    quality = int(rng.integers(15, 60))
    # Brightness and color are coded apart, so it matters which channel is red; OpenCV takes BGR.
    _, coded = cv2.imencode(
        ".jpg", cv2.cvtColor(crop, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    return np.asarray(cv2.cvtColor(cv2.imdecode(coded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB))


PHOTOMETRIC: dict[str, Change] = {
    "color": _color,
    "blur": _blur,
    "strong_blur": _strong_blur,
    "low_resolution": _low_resolution,
    "noise": _noise,
    "gray": _gray,
    "jpeg": _jpeg,
}
"""Changes of the pixels in the order in which they happen to a photo: light, lens, sensor, file."""
