"""Annotations to training samples: (crop, landmarks in crop pixels, weights)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from efficientfan.data.augment import Augmentation, random_transform
from efficientfan.errors import InputError
from efficientfan.geometry import CropTransform
from efficientfan.imaging import read_rgb, warp
from efficientfan.schema import LandmarkSchema
from efficientfan.structures import UNLABELLED, Annotation

__all__ = ["CropSpec", "Draw", "FaceCrops", "Sample"]

Array = NDArray[Any]
Sample = dict[str, Tensor]
"""`crop` (S, S, 3) uint8 RGB; `points` (K, 2) float32 crop pixels, 0 where unlabelled; `weights` (K,) float32."""


@dataclass(frozen=True)
class Draw:
    """Which sample of which epoch: what a sampler hands to the data set."""

    epoch: int
    index: int


@dataclass(frozen=True)
class CropSpec:
    """Side of the crop in pixels, and margin around the box (`CropTransform.from_box`)."""

    size: int
    margin: float


class FaceCrops(Dataset[Sample]):
    """Crops around the annotated faces.

    Every sample's randomness comes from (seed, epoch, index) alone: it depends neither on workers nor on what
    was drawn before, so a run can stop anywhere and go on exactly.

    Args:
        annotations: faces; all of the same schema.
        schema: what the landmarks are.
        crop: size and margin.
        augmentation: None for the plain crop of evaluation.
        weights: (N,) loss weight per annotation; 1 if None.
        seed: of the random crops.
        boxes: "tight" takes the box of the labelled landmarks, "supplied" the data set's own.
    """

    def __init__(
        self,
        annotations: Sequence[Annotation],
        schema: LandmarkSchema,
        crop: CropSpec,
        *,
        augmentation: Augmentation | None = None,
        weights: Array | None = None,
        seed: int = 0,
        boxes: str = "tight",
    ) -> None:
        for annotation in annotations:
            if len(annotation.points) != schema.n_landmarks:
                raise InputError(
                    f"{annotation.image}: {len(annotation.points)} landmarks, but schema {schema.name!r} has "
                    f"{schema.n_landmarks}"
                )
            if boxes == "supplied" and annotation.box is None:
                raise InputError(f"{annotation.image}: the data set supplies no box for it; use boxes: tight")
        self.annotations = annotations
        self.schema = schema
        self.crop = crop
        self.augmentation = augmentation
        self.weights = np.ones(len(annotations)) if weights is None else weights
        self.seed = seed
        self.boxes = boxes

    def __len__(self) -> int:
        return len(self.annotations)

    def __getitem__(self, draw: int | Draw) -> Sample:
        if isinstance(draw, int):
            draw = Draw(0, draw)
        annotation = self.annotations[draw.index]
        box = (
            annotation.box
            if self.boxes == "supplied" and annotation.box is not None
            else annotation.tight_box
        )
        rng = np.random.default_rng((self.seed, draw.epoch, draw.index))
        flipped = False
        if self.augmentation is None:
            transform = CropTransform.from_box(box, self.crop.size, self.crop.margin)
        else:
            transform, flipped = random_transform(
                box, self.crop.size, self.crop.margin, self.augmentation, rng
            )
        crop = warp(read_rgb(annotation.image), [transform])[0]
        if self.augmentation is not None:
            crop = self.augmentation.change_pixels(crop, rng)
        points, labelled = transform.apply(annotation.points), annotation.visibility != UNLABELLED
        if flipped:
            points, labelled = points[self.schema.flip_indices], labelled[self.schema.flip_indices]
        inside = (points >= -0.5).all(axis=1) & (points <= self.crop.size - 0.5).all(axis=1)  # NaN is outside
        return {
            "crop": torch.from_numpy(np.ascontiguousarray(crop)),
            "points": torch.from_numpy(np.nan_to_num(points).astype(np.float32)),
            "weights": torch.from_numpy(
                (labelled & inside).astype(np.float32) * np.float32(self.weights[draw.index])
            ),
        }

    def without_augmentation(self) -> FaceCrops:
        """The same faces in their plain crops."""
        return FaceCrops(self.annotations, self.schema, replace(self.crop), boxes=self.boxes)
