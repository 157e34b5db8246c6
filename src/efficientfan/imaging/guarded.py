"""Untrusted photos: decoded in child processes of limited time and memory, which can be killed."""

from __future__ import annotations

import contextlib
import io
import os
import queue
import signal
import struct
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import IO, Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from efficientfan.errors import EfficientFanError, InputError, check_number, printable
from efficientfan.imaging.reading import DEFAULT_MAX_PIXELS, check_file, decode, image_name
from efficientfan.packed import is_packed, photo_bytes

try:
    import fcntl
    import resource
except ImportError:  # Windows
    fcntl = resource = None  # type: ignore[assignment]  # Windows has neither

__all__ = ["GuardedReader", "serve"]

Array = NDArray[Any]

_REQUEST = struct.Struct("<QQQ")
"""What a child is sent: most pixels, bytes of the image's name, bytes of its file; the two follow."""

_ANSWER = struct.Struct("<?II")
"""What it answers: true, height, width, then H x W x 3 bytes; or false, 0, bytes of the error's text, then that."""

_START_SECONDS = 60.0
"""A child that does not come up within this time is given up."""

_NO_MEMORY = 3
"""Exit code of a child that has reached its limit of memory."""

_FIXED_MEMORY = 128 << 20
"""Bytes that a child may take besides 12 for each pixel: of what formats need per pixel, the most."""

_CHILD = """import sys
sys.path[:] = {path!r}
from efficientfan.imaging.guarded import serve
serve({memory}, {seconds})
"""

_ENVIRONMENT = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PATH", "SYSTEMROOT")
"""Variables that a child gets; it needs no others, and passwords are none of its business."""


class GuardedReader:
    """Reads photos as `read_rgb` does, bit for bit, in child processes that cannot take more than they may.

    Each photo is decoded in one of a few child processes. One that takes too long or too much memory is killed; that,
    or a decoder that crashes, is an `InputError`, and the next photo gets a new child. On Linux a child's memory is
    limited, and once it runs it can open no file or connection and write to none; elsewhere its time alone is limited.

    Threads may share a reader; a call waits while all children are at work. Close it, or use it in a `with` block.

    Args:
        children: processes, each of which is started when it is first needed, within about half a second.
        seconds: that one photo may take.
        max_pixels: photos of more pixels are refused before they are decoded. The memory of a child is limited to 12
            bytes for each of them and 128 MB: to 1.3 GB with the default.

    Raises:
        InputError: a number out of its limits.

    Example:
        >>> with GuardedReader() as read:                                # doctest: +SKIP
        ...     faces = predictor(read(upload))
    """

    def __init__(
        self, children: int = 1, *, seconds: float = 30.0, max_pixels: int = DEFAULT_MAX_PIXELS
    ) -> None:
        check_number("children", children, 1, whole=True)
        check_number("seconds", seconds, 0.001, 86_400)
        check_number("max_pixels", max_pixels, 1, whole=True)
        self.children = children
        self.seconds = seconds
        self.max_pixels = max_pixels
        self.memory = 12 * max_pixels + _FIXED_MEMORY
        # Last in, first out: the child that was used last is most likely to run already.
        self._idle: queue.LifoQueue[_Child] = queue.LifoQueue()
        for _ in range(children):
            self._idle.put(_Child(self))
        self._closed = False
        self._process = os.getpid()

    def __enter__(self) -> GuardedReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __call__(self, image: str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes]) -> Array:
        """The photo as H x W x 3 uint8 RGB, upright as its EXIF orientation says.

        Args:
            image: a path, the bytes of an image file, or a file open in binary mode, which is read to its end.

        Raises:
            InputError: as of `read_rgb`; or it takes more time or memory than it may, or crashes its decoder.
            EfficientFanError: no child can be started.
        """
        where = image_name(image)
        if os.getpid() != self._process:  # its pipes lead to the other process's children
            raise InputError("this reader is from before the process forked; make one in each process")
        if isinstance(image, str | os.PathLike):
            try:
                if is_packed(image):
                    content = photo_bytes(image)
                    return self._read(io.BytesIO(content), len(content), where)
                check_file(image)
                with open(image, "rb") as file:
                    return self._read(file, os.fstat(file.fileno()).st_size, where)
            except OSError as error:
                raise InputError(f"{where}: cannot be read as an image ({error.strerror})") from error
        if hasattr(image, "read"):
            if isinstance(image, io.TextIOBase):
                raise InputError("image: the file is open as text; open it in binary mode, open(path, 'rb')")
            image = cast("IO[bytes]", image).read()
        return self._read(io.BytesIO(image), len(image), where)

    def _read(self, content: BinaryIO, n_bytes: int, where: str) -> Array:
        if n_bytes > self.memory:
            raise InputError(
                f"{where}: has {n_bytes} bytes, more than the {self.memory} of a reader's memory"
            )
        child = self._idle.get()
        try:
            if self._closed:
                raise EfficientFanError("this reader is closed")
            return child.read(content, n_bytes, where)
        finally:
            self._idle.put(child)

    def close(self) -> None:
        """End the children, after the photos that they are at."""
        self._closed = True
        children = [self._idle.get() for _ in range(self.children)]
        for child in children:
            child.end()
            self._idle.put(child)


class _Child:
    """One process that decodes, or will. Its answers are plain bytes and checked: it may be in a stranger's hands."""

    def __init__(self, reader: GuardedReader) -> None:
        self._memory, self._seconds, self._max_pixels = reader.memory, reader.seconds, reader.max_pixels
        self._process: subprocess.Popen[bytes] | None = None

    def read(self, content: BinaryIO, n_bytes: int, where: str) -> Array:
        process, done = self._running(), False
        late = _Deadline(process, self._seconds)
        try:
            with late:
                answer = self._ask(process, content, n_bytes, where)
            done = not late.passed
        except (OSError, EOFError):  # its pipes are closed: it is dead
            code = process.wait()
            if late.passed:
                reason = f"it takes longer than {self._seconds:g} s"
            elif code == _NO_MEMORY:
                reason = f"it takes more than {self._memory >> 20} MB of memory"
            else:
                reason = f"its decoder crashed, {_ending(code)}"
            raise InputError(f"{where}: cannot be read as an image ({reason})") from None
        finally:
            if not done:
                self.end()
        if isinstance(answer, str):
            raise InputError(answer)
        return answer

    def _ask(
        self, process: subprocess.Popen[bytes], content: BinaryIO, n_bytes: int, where: str
    ) -> Array | str:
        """The photo, or the error's text.

        Raises:
            OSError, EOFError: the child is dead.
            InputError: the file has shrunk, or the answer is not one.
        """
        ask, answers = cast("BinaryIO", process.stdin), cast("BinaryIO", process.stdout)
        name = where.encode("utf-8", "replace")
        ask.write(_REQUEST.pack(self._max_pixels, len(name), n_bytes) + name)
        left = n_bytes
        while left:
            part = content.read(min(left, 1 << 20))
            if not part:
                raise InputError(f"{where}: was changed while it was read; try it again")
            ask.write(part)
            left -= len(part)
        ask.flush()
        read, height, width = _ANSWER.unpack(_exactly(answers, _ANSWER.size))
        if not read and width <= 10_000:
            return printable(_exactly(answers, width).decode("utf-8", "replace"))
        if not read or not 1 <= height * width <= self._max_pixels:
            raise InputError(
                f"{where}: cannot be read as an image (its decoder gave {height} x {width} pixels)"
            )
        image = np.empty((height, width, 3), np.uint8)
        _fill(answers, image.data.cast("B"))
        return image

    def _running(self, tries: int = 3) -> subprocess.Popen[bytes]:
        """The process, a new one where it has died.

        Args:
            tries: how often it is started, if it is killed from outside meanwhile, say for lack of memory.

        Raises:
            EfficientFanError: it does not start.
        """
        if self._process is not None and self._process.poll() is None:
            return self._process
        self.end()
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        code = _CHILD.format(path=sys.path, memory=self._memory, seconds=self._seconds)
        try:
            process = self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", code],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
            )
        except OSError as error:
            raise EfficientFanError(
                f"no process can be started to read photos in ({error.strerror})"
            ) from error
        answers = cast("BinaryIO", process.stdout)
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            with contextlib.suppress(OSError):  # the user has as many large pipes as the system allows
                fcntl.fcntl(answers, fcntl.F_SETPIPE_SZ, 1 << 20)
        late = _Deadline(process, _START_SECONDS)
        try:
            with late:
                _exactly(answers, 1)
        except (OSError, EOFError):
            ended = process.wait()
            self.end()
            if ended < 0 and not late.passed and tries > 1:
                return self._running(tries - 1)
            raise EfficientFanError(
                f"the process to read photos in does not start ({_ending(ended)})"
            ) from None
        return process

    def end(self) -> None:
        """End the process, if there is one."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):  # bytes that it never took
                cast("BinaryIO", pipe).close()


class _Deadline:
    """A block after whose time a process is killed. `passed` tells afterwards whether that happened."""

    def __init__(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        self.passed = False
        self._process = process
        self._timer = threading.Timer(seconds, self._kill)
        self._timer.daemon = True

    def _kill(self) -> None:
        self.passed = True
        self._process.kill()

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._timer.join()


def _ending(code: int) -> str:
    try:
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"
    except ValueError:
        return f"signal {-code}"


def _exactly(stream: BinaryIO, n_bytes: int) -> bytes:
    content = stream.read(n_bytes)
    if len(content) < n_bytes:
        raise EOFError
    return content


def _fill(stream: BinaryIO, place: memoryview) -> None:
    while place:
        n_bytes = cast("io.BufferedReader", stream).readinto(place)
        if not n_bytes:
            raise EOFError
        place = place[n_bytes:]


def serve(memory: int, seconds: float) -> None:
    """What a child does: decode images that come on standard input, until that ends.

    Args:
        memory: bytes that it may take beyond those that it has when it is ready.
        seconds: after which it ends itself, should its parent be gone.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # they may reach it too, but its parent decides
        signal.signal(number, signal.SIG_IGN)
    ask, answers = sys.stdin.buffer, sys.stdout.buffer
    _warm_up()
    _limit(memory)
    answers.write(b"r")
    answers.flush()
    while len(header := ask.read(_REQUEST.size)) == _REQUEST.size:
        try:
            max_pixels, n_name, n_bytes = _REQUEST.unpack(header)
            where = ask.read(n_name).decode("utf-8")
            content = io.BytesIO(ask.read(n_bytes))
            if hasattr(signal, "setitimer"):
                signal.setitimer(signal.ITIMER_REAL, seconds + 1)
            image = decode(content, max_pixels, where)
            del content
            answers.write(_ANSWER.pack(True, *image.shape[:2]))
            answers.write(image.data)
            del image
        except InputError as error:
            if isinstance(error.__cause__, MemoryError):
                sys.exit(_NO_MEMORY)
            text = str(error).encode("utf-8", "replace")[:10_000]
            answers.write(_ANSWER.pack(False, 0, len(text)) + text)
        except MemoryError:
            sys.exit(_NO_MEMORY)
        answers.flush()
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)


def _warm_up() -> None:
    """Import what decoding imports when it first needs it: later, no file can be opened."""
    Image.init()
    exif = Image.Exif()
    exif[0x0112] = 6
    for kind in ("JPEG", "PNG", "TIFF", "WEBP"):
        file = io.BytesIO()
        Image.new("RGB", (8, 8)).save(file, kind, exif=exif)
        decode(file, 128, kind)


def _limit(memory: int) -> None:
    """Limit what this process may take from now on, as far as the system can."""
    if resource is None:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pages = Path("/proc/self/statm")
    if not pages.is_file():  # macOS keeps no limit of memory
        return
    taken = int(pages.read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + memory, taken + memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
