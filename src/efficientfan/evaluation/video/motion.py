"""A photo in motion, rendered: a video whose every movement is known exactly."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from efficientfan.geometry import CropTransform
from efficientfan.video import VideoFrame

__all__ = ["PHASES", "RenderedMotion"]

Array = NDArray[Any]

PHASES = ("still", "sideways", "scale", "roll")
"""What the face does, one after the other: nothing; it moves 0.8 inter-ocular distances to each side and a quarter of
that up and down; grows and shrinks by a quarter; rolls by 20 degrees to each side. A phase of motion is one period."""

FACE_SHARE = 0.36
"""Height of the face, brows to chin, in frame heights."""


@dataclass(frozen=True, eq=False)
class RenderedMotion:
    """A face that moves.

    Attributes:
        photo: H x W x 3 uint8 RGB.
        points: (K, 2) landmarks of its face, in pixels of the photo.
        unit: inter-ocular distance there, in pixels.
        rate: frames per second.
        size: (width, height) of the frames, in pixels.
        seconds: of each phase.
        noise: standard deviation of each pixel's noise, in gray levels; new in each frame.
        seed: of the noise.
    """

    photo: Array
    points: Array
    unit: float
    rate: float = 30.0
    size: tuple[int, int] = (640, 360)
    seconds: float = 2.0
    noise: float = 4.0
    seed: int = 0

    @property
    def n_frames(self) -> int:
        """Frames of all phases."""
        return len(PHASES) * round(self.seconds * self.rate)

    def phase(self, index: int) -> str:
        """What the face does in a frame."""
        return PHASES[index // round(self.seconds * self.rate)]

    def frames(self) -> Iterator[VideoFrame]:
        """The frames, in order."""
        rng = np.random.default_rng(self.seed)
        sharp = cv2.INTER_AREA if self._scale < 0.5 else cv2.INTER_LINEAR
        factor = min(1.0, 2 * self._scale)  # so that the warp never shrinks by more than two
        photo = cv2.resize(self.photo, None, fx=factor, fy=factor, interpolation=sharp)
        # Pixel x of the photo lies at (x + 0.5) * factor - 0.5 of the copy.
        back = np.array([[1 / factor, 0, 0.5 / factor - 0.5], [0, 1 / factor, 0.5 / factor - 0.5], [0, 0, 1]])
        for index in range(self.n_frames):
            matrix = self._matrix(index) @ back
            image = cv2.warpAffine(photo, matrix, self.size, borderMode=cv2.BORDER_REPLICATE)
            noisy = image + rng.normal(0, self.noise, image.shape)
            yield VideoFrame(index, index / self.rate, np.clip(np.round(noisy), 0, 255).astype(np.uint8))

    def truth(self, indices: ArrayLike, points: Array | None = None) -> Array:
        """(N, K, 2) landmarks, in pixels of the frames, at N frame numbers, which need not be whole.

        With `points`, (K, 2) pixels of the photo, the places of these.
        """
        points = self.points if points is None else points
        matrices = np.array([self._matrix(index) for index in np.asarray(indices, dtype=np.float64)])
        return np.asarray(points @ matrices[:, :, :2].transpose(0, 2, 1) + matrices[:, None, :, 2])

    @property
    def scale(self) -> float:
        """Frame pixels per pixel of the photo while the face is still."""
        return self._scale

    @property
    def _scale(self) -> float:
        return FACE_SHARE * self.size[1] / float(np.ptp(self.points[:, 1]))

    def _matrix(self, index: float) -> Array:
        """(2, 3): photo pixels -> frame pixels."""
        length = round(self.seconds * self.rate)
        number = min(max(int(index // length), 0), len(PHASES) - 1)
        turn = math.sin(2 * math.pi * (index / length - number))
        swing = {PHASES[number]: turn}
        center = (self.points.min(axis=0) + self.points.max(axis=0)) / 2
        width, height = self.size
        shift = np.array([0.8, 0.2]) * self.unit * self._scale * swing.get("sideways", 0.0)
        x, y = (np.array([width - 1, height - 1]) / 2 + shift).tolist()
        # A square around the face that a frame's height shows; its crop is the frame, but for the place of its center.
        half = height / self._scale / 2
        box = [*(center - half), *(center + half)]
        crop = CropTransform.from_box(
            box, height, 0.0, rotation=20.0 * swing.get("roll", 0.0), scale=1 + 0.25 * swing.get("scale", 0.0)
        )
        matrix = np.array(crop.matrix)
        matrix[:, 2] += np.array([x, y]) - (height - 1) / 2
        return matrix
