"""What a video is read from: a file, an image sequence, a camera or a network stream."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path, PurePath

from efficientfan.errors import InputError, check_number
from efficientfan.imaging import IMAGE_SUFFIXES, read_rgb
from efficientfan.video.container import ContainerReader
from efficientfan.video.frames import Notes, Selection, Undecoded, VideoFrame
from efficientfan.video.live import LiveFrames, Pixels, camera_pixels

__all__ = ["VIDEO_SUFFIXES", "Video", "is_video", "open_video"]

VIDEO_SUFFIXES = frozenset(
    {
        ".mp4",
        ".m4v",
        ".mov",
        ".mkv",
        ".webm",
        ".avi",
        ".mpg",
        ".mpeg",
        ".ts",
        ".m2ts",
        ".mts",
        ".wmv",
        ".flv",
        ".ogv",
        ".3gp",
        ".mxf",
        ".h264",
        ".264",
        ".h265",
        ".265",
    }
)
_URL = re.compile(r"[a-z][a-z0-9+]+://")
_NUMBER = re.compile(r"%0?(\d*)d")


class Video:
    """The frames of an opened source: an iterator of (index, seconds, H x W x 3 uint8 RGB), to be read once.

    Made by `open_video`. At the end of a `with` block the source is closed.

    Attributes:
        name: of the source.
        rate: frames per second as the source claims, or None; the frames' own times may differ.
        expected: number of frames that will come as far as the source claims, or None.
        width, height: of the first frame, in pixels.
        live: whether frames come when they want, so that some are dropped.
    """

    def __init__(
        self,
        name: str,
        frames: Iterable[Undecoded],
        notes: Notes,
        selection: Selection,
        *,
        rate: float | None = None,
        n_frames: int | None = None,
    ) -> None:
        self.name = name
        self.rate = rate
        self.live = isinstance(frames, LiveFrames)
        self.expected = _expected(n_frames, rate, selection)
        self._source = frames
        self._notes = notes
        self._frames = selection.of(iter(frames))
        first = next(self._frames, None)
        if first is None:
            self.close()
            why = f" ({notes.complaints[-1].removeprefix(f'{name}: ')})" if notes.complaints else ""
            raise InputError(f"{name}: no frame could be decoded in the part that was asked for{why}")
        self.height, self.width = first.image.shape[:2]
        self._frames = chain([first], self._frames)

    def __iter__(self) -> Iterator[VideoFrame]:
        return self

    def __next__(self) -> VideoFrame:
        return next(self._frames)

    def __enter__(self) -> Video:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the source."""
        self._frames = iter(())
        if isinstance(self._source, ContainerReader):
            self._source.close()

    def stop(self) -> None:
        """Wait no longer for a live source, which may have stalled: it ends. A signal's handler may call it."""
        if isinstance(self._source, LiveFrames):
            self._source.stop()

    @property
    def complaints(self) -> list[str]:
        """So far: a line each for what was damaged, cut short or lost."""
        return self._notes.complaints

    @property
    def dropped(self) -> int:
        """Frames of a live source that came while an earlier one was in work, so far."""
        return self._notes.dropped

    @property
    def sound(self) -> str | None:
        """The file whose sound goes with the frames; None for image sequences and live sources."""
        return self.name if isinstance(self._source, ContainerReader) else None

    @property
    def started(self) -> float | None:
        """`time.perf_counter()` at time 0 of a live source; None for others."""
        return self._source.started if isinstance(self._source, LiveFrames) else None


def open_video(
    source: str | Path | int,
    *,
    every: int = 1,
    start: float = 0.0,
    end: float | None = None,
    max_frames: int | None = None,
    rate: float = 25.0,
    timeout: float = 10.0,
    retries: int = 3,
    threads: int | None = None,
) -> Video:
    """Open a video; its frames come one at a time, turned as its rotation metadata says, with the times it gives them.

    A damaged or cut file gives what can be decoded; `Video.complaints` says so. Of a camera or a network stream the
    newest frame is taken and those that came meanwhile are dropped; one that gives nothing for `timeout` seconds is
    opened again. Of a file on a web server whose connection breaks or stalls, what is missing is asked for.

    Args:
        source: a video file; a folder of images, or a numbered pattern such as "frames/%05d.png"; a camera's number
            (0 or "0") or device file; an rtsp, http or other URL.
        every: take each n-th frame.
        start, end: seconds; frames before `start` and from `end` on are left out.
        max_frames: at most so many.
        rate: frames per second of an image sequence.
        timeout: seconds without a frame after which a camera or stream is opened again; and for which a server may
            let wait for its answer.
        retries: so many attempts in a row may fail.
        threads: of the decoder; None lets it choose.

    Raises:
        InputError: no such source, nothing that can be decoded, or options that exclude each other.
        MissingDependencyError: PyAV (extra `video`) is not installed; image sequences and cameras do without.
    """
    name = str(source)
    check_number("timeout", timeout, 0.001)
    check_number("retries", retries, 0, whole=True)
    selection = Selection(every, start, end, max_frames)
    notes = Notes()
    if _is_camera(name):
        camera = LiveFrames(name, partial(camera_pixels, name), notes, timeout=timeout, retries=retries)
        return Video(name, camera, notes, selection)
    if os.path.isdir(name) or (_NUMBER.search(name) and not os.path.exists(name)):
        if rate <= 0:
            raise InputError(f"rate must be positive, not {rate:g}")
        files = _sequence(name)
        return Video(name, _read_images(files, rate), notes, selection, rate=rate, n_frames=len(files))
    if not _URL.match(name):
        if not os.path.exists(name):
            raise InputError(f"{name}: no such file")
        if os.path.getsize(name) == 0 and os.path.isfile(name):
            raise InputError(f"{name}: is an empty file; copy it anew")
        reader = ContainerReader(name, notes, threads=threads)
        return Video(name, reader, notes, selection, rate=reader.rate, n_frames=reader.n_frames)
    found = Notes()
    reader = ContainerReader(name, found, timeout=timeout, threads=threads)
    if reader.duration is not None:  # a file that lies on a server
        if retries:
            reader.close()
            reader = ContainerReader(name, found, timeout=timeout, retries=retries, threads=threads)
        return Video(name, reader, found, selection, rate=reader.rate, n_frames=reader.n_frames)
    opened = [reader]  # for the first connection

    def connect() -> Iterator[Pixels]:
        return _pixels_of(
            opened.pop() if opened else ContainerReader(name, Notes(), timeout=timeout, threads=threads)
        )

    stream = LiveFrames(name, connect, notes, timeout=timeout, retries=retries)
    return Video(name, stream, notes, selection, rate=reader.rate)


def is_video(source: str) -> bool:
    """Whether a source on the command line is a video: by suffix, a camera, a URL, or a numbered pattern."""
    return bool(
        _is_camera(source)
        or _URL.match(source)
        or PurePath(source).suffix.lower() in VIDEO_SUFFIXES
        or (_NUMBER.search(source) and not os.path.exists(source))
    )


def _is_camera(name: str) -> bool:
    return (name.isdigit() and not os.path.exists(name)) or name.startswith("/dev/video")


def _pixels_of(reader: ContainerReader) -> Iterator[Pixels]:
    """The frames of one connection; an error where it broke."""
    try:
        for frame in reader:
            yield frame.pixels
    finally:
        reader.close()
    if reader.stopped is not None:
        raise InputError(reader.stopped)


def _sequence(name: str) -> list[str]:
    """The images of a folder, sorted by name, or of a numbered pattern, by number."""
    if os.path.isdir(name):
        found = sorted(
            entry.path
            for entry in os.scandir(name)
            if PurePath(entry.name).suffix.lower() in IMAGE_SUFFIXES and not entry.name.startswith(".")
        )
        if not found:
            raise InputError(f"{name}: this folder holds no images")
        return found
    before, digits, after = _NUMBER.split(name, maxsplit=1)
    width = int(digits or 1)
    pattern = re.compile(rf"{re.escape(before)}(\d{{{width},}}){re.escape(after)}")
    matches = map(pattern.fullmatch, glob.glob(f"{glob.escape(before)}*{glob.escape(after)}"))
    numbered = sorted((int(match[1]), match[0]) for match in matches if match)
    if not numbered:
        raise InputError(f"{name}: no image has such a name")
    return [path for _, path in numbered]


def _read_images(files: list[str], rate: float) -> Iterator[Undecoded]:
    for index, path in enumerate(files):
        yield Undecoded(index, index / rate, partial(read_rgb, path))


def _expected(n_frames: int | None, rate: float | None, selection: Selection) -> int | None:
    """How many frames a selection takes of `n_frames`, at an even rate."""
    if n_frames is None:
        return selection.max_frames
    begin, end = 0, n_frames
    if rate:
        begin = min(n_frames, round(selection.start * rate))
        end = n_frames if selection.end is None else min(n_frames, round(selection.end * rate))
    count = -(-max(0, end - begin) // selection.every)
    return count if selection.max_frames is None else min(count, selection.max_frames)
