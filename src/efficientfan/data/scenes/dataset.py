"""Scenes to the detector's training samples: a picture and its map of centers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from efficientfan.codec.centers import encode_centers
from efficientfan.data.dataset import Draw, Sample
from efficientfan.data.scenes.mosaic import (
    LEAST_FACE,
    MosaicAugmentation,
    Picture,
    compose,
    move_points,
)
from efficientfan.geometry import CropTransform
from efficientfan.imaging import read_rgb, warp
from efficientfan.structures import BoxTrust, Scene

__all__ = ["ScenePictures"]

Array = NDArray[Any]


class ScenePictures(Dataset[Sample]):
    """Square pictures with the targets of `codec.centers`.

    With an augmentation, mosaics, whose randomness comes from (seed, epoch, index) alone; without, each whole
    photo, scaled into the square's top left corner.

    Args:
        scenes: photos and boxes; a sample is named by its scene.
        size: side of the pictures in pixels, a multiple of the network's.
        stride: of the targets.
        augmentation: None for plain photos.
        seed: of the mosaics.
        keep: how many decoded photos stay in memory.
    """

    def __init__(
        self,
        scenes: Sequence[Scene],
        size: int,
        stride: int,
        *,
        augmentation: MosaicAugmentation | None = None,
        seed: int = 0,
        keep: int = 0,
    ) -> None:
        self.scenes = scenes
        self.size = size
        self.stride = stride
        self.augmentation = augmentation
        self.seed = seed
        self._read = lru_cache(maxsize=keep)(read_rgb)

    def __len__(self) -> int:
        return len(self.scenes)

    def picture(self, draw: int | Draw) -> Picture:
        """The picture of a draw, or of an index in the first epoch, with its boxes."""
        draw = Draw(0, draw) if isinstance(draw, int) else draw
        scene = self.scenes[draw.index]
        if self.augmentation is None:
            return self._plain(scene)
        rng = np.random.default_rng((self.seed, draw.epoch, draw.index + 1))
        return compose(scene, self.scenes, self._photo, self.size, self.augmentation, rng)

    def __getitem__(self, draw: int | Draw) -> Sample:
        """`image` (S, S, 3) uint8 RGB and the fields of `CenterTargets`."""
        picture = self.picture(draw)
        targets = encode_centers(
            picture.boxes,
            picture.trust,
            picture.points,
            picture.chances,
            self.size,
            self.size,
            self.stride,
        )
        return {
            "image": torch.from_numpy(picture.image),
            **{name: torch.from_numpy(array) for name, array in vars(targets).items()},
        }

    def _photo(self, scene: Scene) -> Array:
        return self._read(scene.image)

    def _plain(self, scene: Scene) -> Picture:
        photo = self._photo(scene)
        longer = max(photo.shape[:2])
        transform = CropTransform.from_box((-0.5, -0.5, longer - 0.5, longer - 0.5), self.size, 0.0)
        boxes = transform.apply_to_boxes(scene.boxes)
        small = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0) < LEAST_FACE
        trust = np.where(small, BoxTrust.IGNORED, scene.trust).astype(np.uint8)
        points = move_points(scene.points, transform)
        return Picture(warp(photo, [transform])[0], boxes, trust, points, scene.chances)
