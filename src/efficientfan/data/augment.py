"""Random crops for training: geometry composed into the one `CropTransform`, then changes of the pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from efficientfan.errors import InputError
from efficientfan.geometry import CropTransform

__all__ = ["PHOTOMETRIC", "Augmentation", "random_transform"]

Array = NDArray[Any]
Change: TypeAlias = Callable[[Array, np.random.Generator], Array]


@dataclass(frozen=True)
class Augmentation:
    """How far training crops stray. Geometry is uniform within +-limit; the others are probabilities.

    Attributes:
        rotation: degrees.
        scale: share of the size; 0.25 draws factors from 1 / 1.25 to 1.25.
        shift: crop sides.
        flip: probability of mirroring.
        colour, grey, blur, noise, jpeg, low_resolution, occlusion: probability of each change of `PHOTOMETRIC`.
    """

    rotation: float = 30.0
    scale: float = 0.25
    shift: float = 0.05
    flip: float = 0.5
    colour: float = 0.5
    grey: float = 0.1
    blur: float = 0.1
    noise: float = 0.1
    jpeg: float = 0.1
    low_resolution: float = 0.1
    occlusion: float = 0.3

    def __post_init__(self) -> None:
        for name in ("flip", *PHOTOMETRIC):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"augmentation: {name} is a probability, not {getattr(self, name)}")
        if min(self.rotation, self.scale, self.shift) < 0:
            raise InputError("augmentation: rotation, scale and shift are limits, so not negative")

    def change_pixels(self, crop: Array, rng: np.random.Generator) -> Array:
        """Apply each photometric change with its probability to an (S, S, 3) uint8 crop."""
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
    transform = CropTransform.from_box(
        box,
        size,
        margin,
        rotation=rng.uniform(-1, 1) * augmentation.rotation,
        scale=float(np.exp(rng.uniform(-limit, limit))),
        shift=(rng.uniform(-1, 1) * augmentation.shift, rng.uniform(-1, 1) * augmentation.shift),
        flip=flip,
    )
    return transform, flip


def _colour(crop: Array, rng: np.random.Generator) -> Array:
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


def _grey(crop: Array, rng: np.random.Generator) -> Array:
    return np.repeat(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)


def _blur(crop: Array, rng: np.random.Generator) -> Array:
    return np.asarray(cv2.GaussianBlur(crop, (0, 0), rng.uniform(0.004, 0.015) * len(crop)))


def _noise(crop: Array, rng: np.random.Generator) -> Array:
    noise = rng.normal(0, rng.uniform(3, 15), crop.shape)
    return (crop + noise).clip(0, 255).astype(np.uint8)


def _jpeg(crop: Array, rng: np.random.Generator) -> Array:
    _, coded = cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 60))])
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))


def _low_resolution(crop: Array, rng: np.random.Generator) -> Array:
    side = len(crop)
    small = max(8, round(side * rng.uniform(0.25, 0.6)))
    return np.asarray(
        cv2.resize(cv2.resize(crop, (small, small), interpolation=cv2.INTER_AREA), (side, side))
    )


def _occlusion(crop: Array, rng: np.random.Generator) -> Array:
    """A rectangle of noise or of one colour over up to a sixth of the crop (Zhong et al., AAAI 2020)."""
    side = len(crop)
    width, height = (
        (side * np.sqrt(rng.uniform(0.02, 0.16)) * np.exp(np.array([1, -1]) * rng.uniform(-0.4, 0.4)))
        .round()
        .astype(int)
    )
    x, y = rng.integers(0, side - width + 1), rng.integers(0, side - height + 1)
    covered = crop.copy()
    patch = rng.integers(0, 256, (height, width, 3)) if rng.random() < 0.5 else rng.integers(0, 256, 3)
    covered[y : y + height, x : x + width] = patch
    return covered


PHOTOMETRIC: dict[str, Change] = {
    "occlusion": _occlusion,
    "colour": _colour,
    "grey": _grey,
    "blur": _blur,
    "low_resolution": _low_resolution,
    "noise": _noise,
    "jpeg": _jpeg,
}
"""Changes of the pixels in the order in which they happen to a photo: the scene, the lens, the sensor, the file."""
