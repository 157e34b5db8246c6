"""Live sources: the newest frame is taken, older ones are dropped and counted; a source that stalls is opened anew."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from efficientfan.errors import InputError
from efficientfan.video.frames import Notes, Undecoded

__all__ = ["LiveFrames", "Pixels", "camera_pixels"]

Array = NDArray[Any]
Pixels: TypeAlias = "Callable[[], Array]"


class _Newest:
    """A thread that reads a source as fast as it comes, and a place for its newest frame."""

    def __init__(self, source: Iterable[Pixels]) -> None:
        self._changed = threading.Condition()
        self._newest: tuple[int, float, Pixels] | None = None
        self._ended: str | None = None
        self._closed = False
        threading.Thread(target=self._read, args=(source,), name="efficientfan-live", daemon=True).start()

    def _read(self, source: Iterable[Pixels]) -> None:
        reason = "the source has ended"
        try:
            for number, pixels in enumerate(source):
                with self._changed:
                    self._newest = number, time.perf_counter(), pixels
                    self._changed.notify()
                    if self._closed:
                        return
        except Exception as error:  # it belongs to the thread that waits
            reason = str(error)
        self.end(reason)

    def end(self, reason: str) -> None:
        """No more frames will come."""
        with self._changed:
            self._ended = reason
            self._changed.notify()

    def take(self, timeout: float) -> tuple[int, float, Pixels] | str:
        """The newest frame, (number, `perf_counter` when it came, pixels), or why there is none."""
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None or self._ended is not None, timeout)
            taken, self._newest = self._newest, None
            return taken or self._ended or f"no frame for {timeout:g} s"

    def close(self) -> None:
        """Let the thread end with its next frame."""
        with self._changed:
            self._closed = True


class LiveFrames:
    """The newest frames of a live source. Times are those of arrival, since the first frame.

    Args:
        name: for messages.
        open_source: opens the source: an iterable of functions that give a frame's pixels; called anew after a stall.
        notes: takes the complaints and counts the dropped frames.
        timeout: seconds without a frame after which the source is opened anew.
        retries: so many attempts in a row may fail.
        pause: seconds before each of them.

    Attributes:
        started: `perf_counter` of the first frame; a frame's delay is `perf_counter() - started - time`.
    """

    def __init__(
        self,
        name: str,
        open_source: Callable[[], Iterable[Pixels]],
        notes: Notes,
        *,
        timeout: float = 10.0,
        retries: int = 3,
        pause: float = 1.0,
    ) -> None:
        self.name = name
        self._open = open_source
        self._notes = notes
        self._timeout = timeout
        self._retries = retries
        self._pause = pause
        self.started: float | None = None
        self._newest: _Newest | None = None
        self._stopped = False

    def stop(self) -> None:
        """End as soon as the next frame is waited for, also while it is. A signal's handler may call it."""
        self._stopped = True
        if self._newest is not None:
            self._newest.end("stopped")

    def __iter__(self) -> Iterator[Undecoded]:
        """Ends, with a complaint, after `retries` failed attempts; and without one after `stop`.

        Raises:
            InputError: not a single frame came.
        """
        offset, failures = 0, 0
        while True:
            if self._stopped:
                return
            reason, last = "", -1
            try:
                self._newest = newest = _Newest(self._open())
                while not isinstance(taken := newest.take(self._timeout), str):
                    number, arrived, pixels = taken
                    self.started = arrived if self.started is None else self.started
                    self._notes.dropped += number - last - 1
                    last, failures = number, 0
                    yield Undecoded(offset + number, arrived - self.started, pixels)
                reason = taken
            except InputError as error:
                reason = str(error)
            finally:
                if self._newest is not None:
                    self._newest.close()
                    self._newest = None
            if self._stopped:
                return
            reason = reason.removeprefix(f"{self.name}: ")
            offset += last + 1
            failures += 1
            if failures > self._retries or self.started is None:
                break
            self._notes.complaints.append(f"{self.name}: {reason}; connecting again")
            time.sleep(self._pause)
        if self.started is None:
            raise InputError(f"{self.name}: {reason}")
        self._notes.complaints.append(f"{self.name}: {reason}; given up")


def camera_pixels(device: str) -> Iterator[Pixels]:
    """The frames of a camera: its number, or its device file.

    Raises:
        InputError: no such camera, or one that gives no picture.
    """
    with _quiet():
        camera = cv2.VideoCapture(int(device) if device.isdigit() else device)
        opened = camera.isOpened()
    if not opened:
        missing = device.startswith("/dev/") and not Path(device).exists()
        more = "no such device" if missing else "none is connected, or another program uses it"
        raise InputError(f"{device}: the camera cannot be opened ({more})")
    return _read_camera(camera)


def _read_camera(camera: Any) -> Iterator[Pixels]:
    try:
        while True:
            there, image = camera.read()
            if not there:
                return
            yield partial(_rgb, image)
    finally:
        camera.release()


def _rgb(image: Array) -> Array:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))


@contextmanager
def _quiet() -> Iterator[None]:
    """OpenCV says nothing on standard error of a camera that is not there; the caller says it."""
    logs: Any = cv2.utils.logging
    level = logs.getLogLevel()
    logs.setLogLevel(0)
    try:
        yield
    finally:
        logs.setLogLevel(level)
