"""Hiding faces in a video: where they are, also in the gaps of a track, and what is laid over them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, TypeAlias, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from efficientfan.errors import InputError, unknown
from efficientfan.video.frames import Frame

__all__ = ["Hiding", "HidingPlan", "check_hiding", "hide"]

Array = NDArray[Any]
Hiding: TypeAlias = Literal["blur", "mosaic", "fill"]

CELLS = 8
"""Blur and mosaic keep so many cells of a face's side, too few for anyone to be recognized."""


class HidingPlan:
    """Where the faces of a video are, frame by frame, from a first run through it.

    A face that was lost and found again is taken to have gone straight from the one place to the other. `hold` frames
    before it was first seen and after it was last seen, it is taken to be where it was then.

    Args:
        margin: share of a face's size that its box, from brows to chin, is widened by on each side.
        hold: see above.

    Raises:
        InputError: a negative margin or hold.
    """

    def __init__(self, *, margin: float = 0.4, hold: int = 8) -> None:
        if margin < 0 or hold < 0:
            raise InputError(f"margin and hold must not be negative, not {margin:g} and {hold}")
        self._margin = margin
        self._hold = hold
        self._boxes: dict[int, list[Array]] = {}  # by frame
        self._last: dict[int, tuple[int, Array]] = {}  # by track: position of the frame, box
        self._order: list[int] = []
        self.n_without = 0

    def add(self, frame: Frame) -> None:
        """Take in the next frame."""
        position = len(self._order)
        self._order.append(frame.index)
        self.n_without += not frame.faces
        for face in frame.faces:
            box = face.tight_box
            around = self._margin * np.ptp(box.reshape(2, 2), axis=0).max()
            box = box + around * np.array([-1, -1, 1, 1], np.float32)
            track = -1 if face.track_id is None else face.track_id
            before, start = self._last.get(track, (None, box))
            if before is None:
                before = max(-1, position - self._hold - 1)
            for between in range(before + 1, position + 1):
                share = (between - before) / (position - before)
                self._put(between, start + np.float32(share) * (box - start))
            self._last[track] = position, box
        for seen, box in self._last.values():
            if 0 < position - seen <= self._hold:
                self._put(position, box)

    def boxes(self, index: int) -> list[Array]:
        """(4,) xyxy boxes to be hidden in a frame, by its number."""
        return self._boxes.get(index, [])

    @property
    def n_bare(self) -> int:
        """Frames in which nothing is hidden."""
        return len(self._order) - len(self._boxes)

    @property
    def n_frames(self) -> int:
        """Frames that were taken in."""
        return len(self._order)

    def _put(self, position: int, box: Array) -> None:
        self._boxes.setdefault(self._order[position], []).append(box)


def check_hiding(how: str) -> Hiding:
    """A way to hide faces by its name.

    Raises:
        InputError: an unknown one.
    """
    for known in get_args(Hiding):
        if how == known:
            return known  # type: ignore[no-any-return]
    raise unknown("way to hide faces", how, get_args(Hiding))


def hide(image: Array, boxes: Iterable[Array], how: Hiding = "blur") -> Array:
    """A copy of an image in which nothing of what is in the boxes can be made out.

    Args:
        image: H x W x 3 uint8 RGB.
        boxes: (4,) xyxy each, in image pixels.
        how: "blur"; "mosaic"; or "fill", with a dark gray.
    """
    hidden: Array = image.copy()
    height, width = image.shape[:2]
    for box in boxes:
        x0, y0 = (int(max(0, np.floor(value + 0.5))) for value in box[:2])
        x1, y1 = (
            int(min(most, np.ceil(value + 0.5))) for value, most in zip(box[2:], (width, height), strict=True)
        )
        if x0 >= x1 or y0 >= y1:
            continue
        part = hidden[y0:y1, x0:x1]
        if how == "fill":
            part[:] = 32
            continue
        side = max(box[2] - box[0], box[3] - box[1]) / CELLS
        cells = (max(1, round((x1 - x0) / side)), max(1, round((y1 - y0) / side)))
        small = cv2.resize(part, cells, interpolation=cv2.INTER_AREA)
        smooth = cv2.INTER_LINEAR if how == "blur" else cv2.INTER_NEAREST
        part[:] = cv2.resize(small, (x1 - x0, y1 - y0), interpolation=smooth)
    return hidden
