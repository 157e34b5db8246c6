"""The values that flow through the room: a source's frames, and frames with their faces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from numpy.typing import NDArray

from efficientfan.errors import InputError
from efficientfan.structures import Face

__all__ = ["Frame", "Notes", "Selection", "Undecoded", "VideoFrame"]

Array = NDArray[Any]


class VideoFrame(NamedTuple):
    """A frame of a source: its number from 0, seconds since the source's first frame, H x W x 3 uint8 RGB, upright."""

    index: int  # type: ignore[assignment]  # rather than the method of tuples
    time: float
    image: Array


class Undecoded(NamedTuple):
    """A frame whose pixels are made when they are asked for, so that frames nobody wants cost little."""

    index: int  # type: ignore[assignment]
    time: float
    pixels: Callable[[], Array]


@dataclass(frozen=True, eq=False)
class Frame:
    """A frame and its faces.

    Attributes:
        index: number of the frame in its source, from 0; frames that were left out are counted.
        time: seconds since the source's first frame.
        image: H x W x 3 uint8 RGB, upright.
        faces: its faces with their `track_id`, in the order of the ids; possibly none.
    """

    index: int
    time: float
    image: Array
    faces: list[Face]


@dataclass
class Notes:
    """What a source says of itself while it is read.

    Attributes:
        complaints: a line each for what was damaged, cut short or lost.
        dropped: frames of a live source that came while an earlier one was in work.
    """

    complaints: list[str] = field(default_factory=list)
    dropped: int = 0


@dataclass(frozen=True)
class Selection:
    """Which frames of a source are wanted.

    Attributes:
        every: each n-th of them.
        start: seconds; earlier frames are left out.
        end: seconds; the first frame at or after it ends the source. None: to its end.
        max_frames: at most so many; None: all.

    Raises:
        InputError: a number below 1, a negative start, or an end that is not after the start.
    """

    every: int = 1
    start: float = 0.0
    end: float | None = None
    max_frames: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("every", self.every), ("max_frames", self.max_frames)):
            if value is not None and value < 1:
                raise InputError(f"{name} must be at least 1, not {value}")
        if self.start < 0:
            raise InputError(f"start must not be negative, not {self.start:g}")
        if self.end is not None and self.end <= self.start:
            raise InputError(f"end must be after start, {self.start:g} s, not {self.end:g} s")

    def of(self, frames: Iterator[Undecoded]) -> Iterator[VideoFrame]:
        """The wanted ones, decoded. With `every`, frames that the source itself left out are counted too."""
        taken, following = 0, 0
        for index, time, pixels in frames:
            if time < self.start or index < following:
                continue
            if self.end is not None and time >= self.end:
                return
            yield VideoFrame(index, time, pixels())
            taken, following = taken + 1, index + self.every
            if taken == self.max_frames:
                return
