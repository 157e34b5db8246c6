"""Videos of bright discs, the "faces" of `tiny_model`, and a detector that finds them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np
from tiny_model import disc_photo

from efficientfan.predict import Detections
from efficientfan.video import VideoFrame

Disc = tuple[float, float, float]


class DiscDetector:
    """The bounding squares of bright spots; counts how often it was asked."""

    name = "discs"

    def __init__(self) -> None:
        self.calls = 0

    def detect(self, image: np.ndarray) -> Detections:
        self.calls += 1
        n, _, stats, centers = cv2.connectedComponentsWithStats((image[..., 0] > 100).astype(np.uint8))
        sides = stats[1:n, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].max(axis=1, initial=0)
        half = sides[:, None] / 2
        boxes = np.hstack([centers[1:n] - half, centers[1:n] + half])
        return Detections(boxes, np.ones(len(boxes)))


def disc_frames(
    discs: Callable[[int], Sequence[Disc]],
    count: int,
    *,
    rate: float = 30.0,
    size: tuple[int, int] = (160, 120),
) -> Iterator[VideoFrame]:
    """`count` frames with the discs (x, y, radius) of each frame number."""
    for index in range(count):
        yield VideoFrame(index, index / rate, disc_photo(*discs(index), size=size))
