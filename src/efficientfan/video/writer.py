"""Writing a video file: whole or not at all, with the frames' own times and the source's sound."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from efficientfan.errors import InputError
from efficientfan.files import atomic_path
from efficientfan.video.container import import_av

__all__ = ["WRITTEN_SUFFIXES", "VideoWriter", "check_video_path", "write_video"]

Array = NDArray[Any]

_H264 = ("libx264", "libopenh264", "mpeg4")
_VP9 = ("libvpx-vp9", "libvpx")
WRITTEN_SUFFIXES = {".mp4": _H264, ".m4v": _H264, ".mov": _H264, ".mkv": _H264, ".webm": _VP9}
"""Suffix -> encoders, the first that is there is taken."""

_OPTIONS = {
    "libx264": {"crf": "20", "preset": "veryfast"},
    "libvpx-vp9": {"crf": "32", "b:v": "0", "deadline": "realtime", "cpu-used": "6"},
}
_TICK = Fraction(1, 60000)
"""Unit of the written times: the even frame rates in use are whole numbers of it."""


def check_video_path(path: Path) -> None:
    """Check, before the work, that a video can be written to `path`.

    Raises:
        InputError: a suffix that is not written, or a place that cannot be written to.
        MissingDependencyError: PyAV (extra `video`) is not installed.
    """
    import_av()
    if path.suffix.lower() not in WRITTEN_SUFFIXES:
        raise InputError(f"{path}: video is written to {', '.join(WRITTEN_SUFFIXES)}")
    if path.is_dir():
        raise InputError(f"{path}: is a folder, not a file to write")


class VideoWriter:
    """Encodes frames; made by `write_video`.

    Attributes:
        note: what could not be kept of the source, or None.
    """

    def __init__(self, target: Path, path: Path, rate: float, audio_of: str | None) -> None:
        av = import_av()
        self.note: str | None = None
        self._av = av
        self._path = path
        self._rate = rate
        self._size: tuple[int, int] | None = None
        self._first = self._last = 0.0
        self._ticks = -1
        self._container = av.open(str(target), "w")
        encoder = next((name for name in WRITTEN_SUFFIXES[path.suffix.lower()] if _is_there(name)), None)
        if encoder is None:
            self._container.close()
            raise InputError(f"{path}: no encoder for {path.suffix} is installed; choose another suffix")
        self._stream = self._container.add_stream(
            encoder, rate=Fraction(rate).limit_denominator(1001), options=dict(_OPTIONS.get(encoder, {}))
        )
        if encoder not in _OPTIONS:
            self._stream.bit_rate = 4_000_000
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = _TICK
        self._sound = None if audio_of is None else self._open_sound(audio_of)

    def add(self, image: Array, time: float) -> None:
        """Encode a frame. An odd side is filled up by a pixel; frames of another size than the first are scaled to it.

        Args:
            image: H x W x 3 uint8 RGB.
            time: seconds, later than the last.
        """
        height, width = image.shape[:2]
        if self._size is None:
            self._size = width, height
            self._stream.width, self._stream.height = width + width % 2, height + height % 2
            self._first = time
        if (width, height) != self._size:
            image = np.asarray(cv2.resize(image, self._size, interpolation=cv2.INTER_AREA))
        width, height = self._size
        if width % 2 or height % 2:
            image = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        frame = self._av.VideoFrame.from_ndarray(image, format="rgb24")
        self._ticks = max(self._ticks + 1, round((time - self._first) / _TICK))
        frame.pts, frame.time_base = self._ticks, _TICK
        self._last = time
        self._mux(self._stream.encode(frame))
        if self._sound is not None:
            self._sound.copy_until(time, self._first)

    def finish(self) -> None:
        """Encode what is held back.

        Raises:
            InputError: no frame was added.
        """
        if self._size is None:
            raise InputError(f"{self._path}: not written, for there is no frame")
        self._mux(self._stream.encode())
        if self._sound is not None:
            self._sound.copy_until(self._last + 1 / self._rate, self._first)

    def close(self) -> None:
        """Close the files."""
        if self._sound is not None:
            self._sound.close()
        self._container.close()

    def _mux(self, packets: Any) -> None:
        for packet in packets:
            self._container.mux(packet)

    def _open_sound(self, source: str) -> _Sound | None:
        container = self._av.open(source)
        streams = container.streams.audio
        name = streams[0].codec_context.name if streams and streams[0].codec_context else None
        if name is None or name not in self._container.supported_codecs:
            if name is not None:
                self.note = f"{self._path}: without sound: {name} does not go into {self._path.suffix}"
            container.close()
            return None
        return _Sound(container, self._container)


class _Sound:
    """Copies the packets of a file's first audio stream."""

    def __init__(self, source: Any, target: Any) -> None:
        self._source = source
        self._target = target
        stream = source.streams.audio[0]
        video = source.streams.video[0]
        start = video.start_time
        self._origin = float(start * video.time_base) if start is not None else 0.0
        self._stream = target.add_stream_from_template(stream)
        self._packets = source.demux(stream)
        self._held: Any = None

    def copy_until(self, time: float, first: float) -> None:
        """Copy what sounds from `first` to `time`, seconds of the video."""
        while True:
            packet = self._held or next(self._packets, None)
            self._held = None
            if packet is None:
                return
            if packet.pts is None or packet.dts is None:
                continue
            seconds = float(packet.pts * packet.time_base) - self._origin
            if seconds > time:
                self._held = packet
                return
            shift = round((self._origin + first) / packet.time_base)
            if seconds >= first:
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                packet.stream = self._stream
                self._target.mux(packet)

    def close(self) -> None:
        self._source.close()


@contextmanager
def write_video(
    path: str | Path, *, rate: float | None = None, audio_of: str | None = None
) -> Iterator[VideoWriter]:
    """Write a video: H.264 into .mp4, .m4v, .mov and .mkv, VP9 into .webm. It appears whole at the end of the block.

    Args:
        path: of the file.
        rate: frames per second that are claimed; the frames' own times count. None: 25.
        audio_of: a file whose sound is copied, as it is; None: without.

    Raises:
        InputError: a suffix that is not written, a place that cannot be written to, or an encoder that fails.
        MissingDependencyError: PyAV (extra `video`) is not installed.
    """
    target = Path(path)
    check_video_path(target)
    av = import_av()
    with atomic_path(target) as temporary:
        try:
            writer = VideoWriter(temporary, target, rate or 25.0, audio_of)
            try:
                yield writer
                writer.finish()
            finally:
                writer.close()
        except av.FFmpegError as error:
            raise InputError(f"{target}: cannot be written as video ({error.strerror})") from error


def _is_there(encoder: str) -> bool:
    try:
        import_av().Codec(encoder, "w")
    except ValueError:
        return False
    return True
