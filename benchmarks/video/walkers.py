"""Videos of faces that walk over a background, before and behind one another and poles, and where they truly are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from efficientfan.geometry import CropTransform

__all__ = ["RATE", "Portrait", "Scene", "TrueFace", "scenes"]

Array = NDArray[Any]
Path = Callable[[float], tuple[float, float]]

RATE = 30.0
SIZE = (640, 360)
FACE = 72.0
"""Side of a face's box, brows to chin, in pixels; speeds and places are in faces."""

NOISE = 3.0
"""Standard deviation of each pixel, in gray levels."""


PACES = (0.85, 1.2)
"""How much slower or faster a scene may be in its variants; the slowest still shows hidden faces within two seconds."""


@dataclass(frozen=True, eq=False)
class Portrait:
    """A head cut from a photo.

    Attributes:
        image: H x W x 3 uint8 RGB.
        box: (4,) xyxy of its landmarks in it, in pixels.
    """

    image: Array
    box: Array

    def mirrored(self) -> Portrait:
        """Its mirror image, in other colors: another person."""
        width = self.image.shape[1]
        box = np.array([width - 1 - self.box[2], self.box[1], width - 1 - self.box[0], self.box[3]])
        tinted = self.image[:, ::-1].astype(np.float32) * [0.75, 0.85, 1.0]
        return Portrait(tinted.astype(np.uint8), box)

    def drawn(self, center: tuple[float, float]) -> tuple[Array, Array, Array]:
        """The head on a frame: H x W x 3 colors, H x W opacity in [0, 1], (4,) box in frame pixels."""
        unit = float(np.sqrt(np.prod(self.box[2:] - self.box[:2])))
        middle = (self.box[:2] + self.box[2:]) / 2
        half = SIZE[1] / FACE * unit / 2  # of a square that a frame's height shows
        crop = CropTransform.from_box([*(middle - half), *(middle + half)], SIZE[1], 0.0)
        matrix = np.array(crop.matrix)
        matrix[:, 2] += np.array(center) - (SIZE[1] - 1) / 2
        height, width = self.image.shape[:2]
        oval = np.zeros((height, width), np.float32)
        head = (middle - [0, 0.2 * unit]).round().astype(int).tolist()
        cv2.ellipse(oval, head, (round(0.8 * unit), round(1.05 * unit)), 0, 0, 360, 1.0, -1)
        oval = cv2.GaussianBlur(oval, (0, 0), 0.04 * unit)
        colors = cv2.warpAffine(self.image, matrix, SIZE, flags=cv2.INTER_AREA)
        opacity = cv2.warpAffine(oval, matrix, SIZE)
        corners = np.reshape(self.box, (2, 2)) @ matrix[:, :2].T + matrix[:, 2]
        return colors, opacity, corners.ravel()


@dataclass(frozen=True, eq=False)
class TrueFace:
    """A face of a frame: whose it is, its (4,) xyxy box, and which share of that can be seen."""

    person: int
    box: Array
    visible: float


@dataclass(frozen=True, eq=False)
class Scene:
    """People who walk, the farthest first; then poles before them all.

    Attributes:
        group: what it tries.
        seconds: its length.
        walkers: seconds -> center of the face, in faces from the frame's center.
        poles: seconds -> (from, to), in faces from the frame's center: an upright bar.
    """

    group: str
    seconds: float
    walkers: tuple[Path, ...]
    poles: tuple[Path, ...] = ()

    def frames(
        self, portraits: tuple[Portrait, ...], seed: int = 0
    ) -> Iterator[tuple[Array, list[TrueFace]]]:
        """H x W x 3 uint8 RGB frames at `RATE` with the faces that are at least partly in them.

        Each seed has a background, a place and noise of its own and, apart from 0, a pace.
        """
        rng = np.random.default_rng(seed)
        slowest, fastest = PACES
        pace = 1.0 if seed == 0 else float(np.random.default_rng([seed, 1]).uniform(slowest, fastest))
        background = _background(rng)
        offset = rng.uniform(-0.3, 0.3, 2)  # of the whole scene, so that each seed meets the pixels otherwise
        middle = (np.array(SIZE) - 1) / 2
        for index in range(round(self.seconds / pace * RATE)):
            time = pace * index / RATE
            image = background.copy()
            owner = np.full(SIZE[::-1], -1)
            boxes = []
            for person, path in enumerate(self.walkers):
                center = middle + FACE * (np.array(path(time)) + offset)
                portrait = portraits[person % len(portraits)]
                colors, opacity, box = portrait.drawn((float(center[0]), float(center[1])))
                image += opacity[..., None] * (colors - image)
                owner[opacity > 0.5] = person
                boxes.append(box)
            for pole in self.poles:
                left, right = (middle[0] + FACE * (np.array(pole(time)) + offset[0])).round().astype(int)
                image[:, max(0, left) : max(0, right)] = [70, 60, 50]
                owner[:, max(0, left) : max(0, right)] = -1
            noisy = image + rng.normal(0, NOISE, image.shape)
            faces = [TrueFace(person, box, _share(owner == person, box)) for person, box in enumerate(boxes)]
            yield np.clip(np.round(noisy), 0, 255).astype(np.uint8), faces


def scenes() -> list[Scene]:
    """Each kind of meeting, at several speeds (in faces per second) and for several times."""
    made = []
    for speed in (1.0, 2.0, 4.0, 8.0):
        seconds = 6 / speed + 0.5
        made.append(Scene("faces cross", seconds, (_walk(-3, speed), _walk(3, -speed, 0.25))))
        if speed >= 2:  # or the one is hidden for longer than a second
            made.append(
                Scene("one overtakes", seconds, (_walk(-2, speed / 2), _walk(-3.5, speed * 1.2, 0.2)))
            )
    for hidden in (0.2, 0.4, 0.6, 0.8, 1.0):
        for speed in (1.5, 3.0):
            half = (1 + hidden * speed) / 2  # all of the face is behind the pole for so long
            path = _walk(-half - 1.5, speed)
            made.append(Scene("behind a pole", (2 * half + 3) / speed, (path,), (_still(-half, half),)))
        made.append(Scene("a still face, hidden", 1.5 + hidden, (_walk(0, 0),), (_covering(1.0, hidden),)))
    for speed in (1.5, 2.0, 3.0):
        for half in (0.7, 1.2):
            paths = (_walk(-half - 1.7, speed), _walk(half + 1.7, -speed))
            made.append(Scene("pass behind a pole", 2 * (half + 1.7) / speed, paths, (_still(-half, half),)))
    for speed in (1.5, 3.0):
        made.append(Scene("leave and enter", 6 / speed + 1.5, (_walk(2, speed), _walk(-6 - speed, speed))))
        made.append(
            Scene("leave and enter", 6 / speed + 1.5, (_walk(2, speed, -1), _walk(6 + speed, -speed, 1)))
        )
        made.append(Scene("meet and turn", 4 / speed + 0.5, (_turning(-2.2, speed), _turning(2.2, -speed))))
    return made


def _walk(start: float, speed: float, y: float = 0.0) -> Path:
    return lambda time: (start + speed * time, y)


def _turning(start: float, speed: float) -> Path:
    """Goes 2 faces, slows down over the last, and comes back."""
    turn = 2 / abs(speed)

    def at(time: float) -> tuple[float, float]:
        left = abs(time - turn)
        soft = 0.5 / abs(speed)
        way = left if left > soft else (left**2 / soft + soft) / 2
        return start + speed * (turn - way), 0.0

    return at


def _still(left: float, right: float) -> Path:
    return lambda time: (left, right)


def _covering(start: float, hidden: float) -> Path:
    """Sweeps over the place from -0.5 to 0.5 faces, all of which it covers from `start` on for `hidden` seconds."""
    speed = 8.0
    width = 1 + speed * hidden
    return lambda time: (-0.5 - width + 1 + speed * (time - start), 0.5 + speed * (time - start))


def _background(rng: np.random.Generator) -> Array:
    coarse = rng.uniform(40, 200, (7, 12, 3)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, SIZE, interpolation=cv2.INTER_CUBIC))


def _share(seen: Array, box: Array) -> float:
    x0, y0, x1, y1 = np.round(box).astype(int)
    part = seen[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)]
    return float(part.sum() / ((x1 - x0) * (y1 - y0)))
