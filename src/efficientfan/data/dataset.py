"""Annotations to training samples: (crop, landmarks in crop pixels, weights)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from efficientfan.data.augment import Augmentation, random_transform
from efficientfan.data.mirror import before_mirroring
from efficientfan.data.visibility import COVERED, SEEN, UNKNOWN, VisibilityLabels, visibility_labels
from efficientfan.errors import InputError
from efficientfan.geometry import CropTransform, as_boxes, pixels_to_cells
from efficientfan.imaging import read_rgb, warp
from efficientfan.schema import LandmarkSchema
from efficientfan.structures import UNLABELED, Annotation

__all__ = ["CropSpec", "Draw", "FaceCrops", "Sample"]

Array = NDArray[Any]
Sample = dict[str, Tensor]
"""`crop` (S, S, 3) uint8 RGB; `points` (K, 2) float32, crop pixels; `weights` and `teaching` (K,) float32;
`visibility` (K,) int64, all as in `Batch`; `crop_SIDE` (SIDE, SIDE, 3) uint8 for each of `CropSpec.also`. Landmarks
that are unlabeled (their points are 0) or outside the crop weigh 0; in `teaching`, all of a face without any label
have its weight."""


@dataclass(frozen=True)
class Draw:
    """Which sample of which epoch: what a sampler hands to the data set."""

    epoch: int
    index: int


@dataclass(frozen=True)
class CropSpec:
    """How a face is cropped.

    Attributes:
        size: side of the crop in pixels.
        margin: around the box, see `CropTransform.from_box`.
        also: further sides that the same crop is given in, for networks of other input sizes.
    """

    size: int
    margin: float
    also: tuple[int, ...] = ()


class FaceCrops(Dataset[Sample]):
    """Crops around the annotated faces.

    Every sample's randomness comes from (seed, epoch, index) alone: it depends neither on workers nor on what
    was drawn before, so a run can stop anywhere and go on exactly. A face is cut and changed at the largest size that
    is wanted; smaller crops are averaged down from it (`cv2.resize` keeps our pixel convention), so all show the same.

    Args:
        annotations: faces; all of the same schema. Those without any label need a box.
        schema: what the landmarks are.
        crop: size and margin.
        augmentation: None for the plain crop of evaluation.
        weights: (N,) loss weight per annotation; 1 if None.
        seed: of the random crops.
        boxes: "tight" takes the box of the labeled landmarks, "supplied" the data set's own, as is always taken of
            faces without any label.
        visibility: what each annotation's flags say of it; "none" if None.
        mirror_offsets: (N,) how far the labels lean to the right of the photo, in longer sides of the tight box
            (`MirrorOffset`); a mirrored face's labels are moved so that they lean as far the same way. 0 if None.

    Raises:
        InputError: an annotation of another schema, or one without the box that a crop needs.
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
        visibility: Sequence[VisibilityLabels] | None = None,
        mirror_offsets: Sequence[float] | None = None,
    ) -> None:
        for annotation in annotations:
            if len(annotation.points) != schema.n_landmarks:
                raise InputError(
                    f"{annotation.image}: {len(annotation.points)} landmarks, but schema {schema.name!r} has "
                    f"{schema.n_landmarks}"
                )
        self._boxes = [_box(annotation, boxes) for annotation in annotations]
        self.annotations = annotations
        self.schema = schema
        self.crop = crop
        self.augmentation = augmentation
        self.weights = np.ones(len(annotations)) if weights is None else weights
        self.seed = seed
        self._visibility = visibility
        self._mirror_offsets = mirror_offsets

    def __len__(self) -> int:
        return len(self.annotations)

    def __getitem__(self, draw: int | Draw) -> Sample:
        if isinstance(draw, int):
            draw = Draw(0, draw)
        annotation, box = self.annotations[draw.index], self.box(draw.index)
        size, margin, flipped = max(self.crop.size, *self.crop.also, 1), self.crop.margin, False
        labels = annotation.points
        if self.augmentation is None:
            transform = CropTransform.from_box(box, size, margin)
            points = transform.apply(labels)
            crop = plain = scene = warp(read_rgb(annotation.image), [transform])[0]
        else:
            # numpy pads with zeros, so index 0 would share its numbers with the sampler's (seed, epoch).
            rng = np.random.default_rng((self.seed, draw.epoch, draw.index + 1))
            transform, flipped = random_transform(box, size, margin, self.augmentation, rng)
            if flipped and self._mirror_offsets is not None and self._mirror_offsets[draw.index]:
                labels = before_mirroring(annotation, self._mirror_offsets[draw.index])
            points = transform.apply(labels)
            plain = warp(read_rgb(annotation.image), [transform])[0]
            scene = self.augmentation.change_scene(plain, points, transform.down, rng)
            crop = self.augmentation.change_photo(scene, rng)
        labeled = annotation.visibility != UNLABELED
        kind: VisibilityLabels = "none" if self._visibility is None else self._visibility[draw.index]
        visibility = visibility_labels(annotation.visibility, kind)
        if flipped:
            order = self.schema.flip_indices
            points, labeled, visibility = points[order], labeled[order], visibility[order]
        inside = np.asarray(((points >= -0.5) & (points <= size - 0.5)).all(axis=1))  # NaN is outside
        visibility[labeled & ~inside] = UNKNOWN  # seen or not, it is not in this picture
        visibility[_covered(plain, scene, points, inside) & (visibility == SEEN)] = COVERED
        weight = np.float32(self.weights[draw.index])
        weights = (labeled & inside).astype(np.float32) * weight
        teaching = weights if labeled.any() else np.full(len(points), weight, np.float32)
        points = pixels_to_cells(points, size / self.crop.size)
        return {
            "crop": _reduced(crop, self.crop.size),
            "points": torch.from_numpy(np.nan_to_num(points).astype(np.float32)),
            "weights": torch.from_numpy(weights),
            "teaching": torch.from_numpy(teaching),
            "visibility": torch.from_numpy(visibility),
            **{f"crop_{side}": _reduced(crop, side) for side in self.crop.also},
        }

    def box(self, index: int) -> Array:
        """(4,) xyxy box, in image pixels, that face `index` is cropped around."""
        return self._boxes[index]


def _reduced(crop: Array, side: int) -> Tensor:
    """(side, side, 3) uint8 of a square crop that is at least as large."""
    if side < len(crop):
        crop = cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(np.ascontiguousarray(crop))


def _covered(plain: Array, scene: Array, points: Array, inside: Array) -> Array:
    """(K,) bool: landmarks on the crop whose pixel the augmentation has put something over."""
    covered = np.zeros(len(points), dtype=bool)
    columns, rows = np.rint(points[inside]).astype(int).clip(0, len(plain) - 1).T
    covered[inside] = (plain[rows, columns] != scene[rows, columns]).any(axis=1)
    return covered


def _box(annotation: Annotation, boxes: str) -> Array:
    """The (4,) xyxy box to crop around; a useless one is found here, not in the middle of an epoch."""
    if boxes != "supplied" and (annotation.box is None or annotation.visibility.any()):
        try:
            return np.asarray(as_boxes(annotation.tight_box)[0])
        except InputError as error:
            raise InputError(f"{annotation.image}: its landmarks span no box to crop: {error}") from error
    if annotation.box is None:
        raise InputError(f"{annotation.image}: the data set supplies no box for it; use boxes: tight")
    return np.asarray(annotation.box)
