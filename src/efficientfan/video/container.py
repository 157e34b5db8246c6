"""Video files and network streams, read with PyAV."""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientfan.errors import InputError, needs_extra
from efficientfan.video.frames import Notes, Undecoded

__all__ = ["ContainerReader", "import_av"]

Array = NDArray[Any]

MISSING_SECONDS = 0.5
"""A file whose frames end by more than that before the length it claims has been cut."""


def import_av() -> Any:
    """PyAV.

    Raises:
        MissingDependencyError: it is not installed.
    """
    with needs_extra("video", "video needs"):
        import av
    return av


class ContainerReader:
    """The frames of a video file, or of a network stream.

    Args:
        name: path or URL.
        notes: takes the complaints.
        timeout: seconds after which a server that gives nothing is an error; None waits.
        retries: so often a web server is asked for what is missing of a file, when a connection breaks or stalls; 0
            for streams.
        threads: of the decoder; None takes as many as it likes.

    Attributes:
        rate: frames per second as the file claims, or None.
        n_frames: number of frames as the file claims, or None.
        duration: seconds as the file claims, or None: a live stream.
        stopped: why reading ended before the end, or None.

    Raises:
        InputError: cannot be opened, has no video stream, or one of an unknown codec.
        MissingDependencyError: PyAV is not installed.
    """

    def __init__(
        self,
        name: str,
        notes: Notes,
        *,
        timeout: float | None = None,
        retries: int = 0,
        threads: int | None = None,
    ) -> None:
        av = import_av()
        self.name = name
        self._notes = notes
        self._timeout = timeout
        self.stopped: str | None = None
        self._errors: tuple[type[Exception], ...] = (av.FFmpegError, OSError)
        options, patience = _network_options(name, timeout, retries)
        started = time.perf_counter()
        try:
            self._container = av.open(name, timeout=patience, options=options)
        except (*self._errors, ValueError) as error:
            # FFmpeg's own reason for a server that says nothing may be anything, such as invalid data.
            silent = timeout is not None and time.perf_counter() - started >= timeout
            reason = f"no answer for {timeout:g} s" if silent else _reason(error)
            raise InputError(f"{name}: cannot be opened as video ({reason})") from error
        streams = self._container.streams.video
        if not streams or streams[0].codec_context is None:
            self._container.close()
            raise InputError(
                f"{name}: its video is of a codec that is not known here; convert it to H.264"
                if streams
                else f"{name}: has no video stream"
            )
        self._stream = streams[0]
        self._stream.thread_type = "AUTO"
        if threads is not None:
            self._stream.codec_context.thread_count = threads
        rate = self._stream.average_rate
        self.rate = float(rate) if rate else None
        self.n_frames = int(self._stream.frames) or None
        own = self._stream.duration
        self.duration: float | None = None
        if own and self._stream.time_base:
            self.duration = float(own * self._stream.time_base)
        elif self._container.duration:
            self.duration = self._container.duration / av.time_base

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def __iter__(self) -> Iterator[Undecoded]:
        first = last = None
        index = -1
        for frame in self._frames():
            index += 1
            time = frame.time
            if time is None:  # raw streams carry no times
                time = (last or 0.0) + (1 / (self.rate or 25.0) if index else 0.0)
            first = time if first is None else first
            # Times go up, whatever a damaged file says.
            last = time if last is None else max(time, last + 1e-6)
            yield Undecoded(index, last - first, partial(_pixels, frame))
        if index >= 0 and first is not None and last is not None:
            self._complain_if_cut(index + 1, last - first + 1 / (self.rate or 25.0))

    def _frames(self) -> Iterator[Any]:
        """Decoded frames; what is damaged is skipped and noted at the end."""
        n_broken = 0
        try:
            for packet in self._container.demux(self._stream):
                try:
                    yield from packet.decode()
                except self._errors:
                    n_broken += 1
        except self._errors as error:
            self.stopped = _reason(error)
            if self._timeout is not None:  # of a server; FFmpeg speaks of files
                if isinstance(error, import_av().ExitError | TimeoutError):
                    self.stopped = f"no data for {self._timeout:g} s"
                elif isinstance(error, OSError) and error.errno == errno.EIO:
                    self.stopped = "the connection ended"
            self._notes.complaints.append(f"{self.name}: reading stopped ({self.stopped})")
            with suppress(*self._errors):
                yield from self._stream.codec_context.decode(None)  # what the decoder still holds
        finally:
            if n_broken:
                self._notes.complaints.append(f"{self.name}: {n_broken} damaged packets were skipped")

    def _complain_if_cut(self, n_read: int, seconds: float) -> None:
        if self.duration is not None and seconds < self.duration - MISSING_SECONDS:
            self._notes.complaints.append(
                f"{self.name}: is cut or damaged: {n_read} frames, {seconds:.1f} s, of {self.duration:.1f} s "
                "could be decoded"
            )


def _network_options(name: str, timeout: float | None, retries: int) -> tuple[dict[str, str], float | None]:
    """What FFmpeg is told of a URL, and seconds after which a read or the opening is broken off from outside."""
    if timeout is None or not name.startswith(("rtsp://", "http://", "https://")):
        return {}, timeout
    microseconds = str(round(1e6 * timeout))
    if name.startswith("rtsp://"):
        return {"rtsp_transport": "tcp", "timeout": microseconds}, timeout  # UDP, the default, loses packets
    if not retries:
        return {"rw_timeout": microseconds}, timeout
    pause = 3
    options = {
        "rw_timeout": microseconds,
        "reconnect": "1",
        "reconnect_max_retries": str(retries),
        "reconnect_delay_max": str(pause),
    }
    return options, (timeout + pause) * (retries + 1)


def _pixels(frame: Any) -> Array:
    image: Array = frame.to_ndarray(format="rgb24")
    return np.ascontiguousarray(np.rot90(image, round(frame.rotation / 90)))


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
