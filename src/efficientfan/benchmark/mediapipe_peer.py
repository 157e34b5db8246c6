"""MediaPipe Face Mesh in a Python of its own, because its last wheel with models requires an older numpy."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from efficientfan.benchmark import mediapipe_child
from efficientfan.benchmark.timing import Clock, TimedJob
from efficientfan.errors import MissingDependencyError

__all__ = ["MediaPipe", "open_mediapipe"]

Array = NDArray[Any]

_REMEDY = (
    "make it an environment: python3.11 -m venv peers-mp && peers-mp/bin/pip install mediapipe==0.10.21, "
    "then --mediapipe-python peers-mp/bin/python"
)


class MediaPipe:
    """A running child process that waits, idle, between its jobs.

    Attributes:
        asked, found: crops so far, and those in which its own detector found a face.
    """

    def __init__(self, process: subprocess.Popen[str], log: IO[bytes], python: Path) -> None:
        self.asked = self.found = 0
        self._process, self._log, self._python = process, log, python

    def visit(self, repeats: int, clock: Clock) -> list[float]:
        """Seconds of each repeat by the child's own clock, without the pipe between the processes.

        Raises:
            MissingDependencyError: the child died; the message has its last line.
        """
        try:
            line = self._ask(repeats)
        except BrokenPipeError:
            line = ""
        if not line:
            self._log.seek(0)
            said = self._log.read().decode(errors="replace").strip().splitlines() or ["no message"]
            raise MissingDependencyError(
                f"{self._python}: mediapipe does not run there ({said[-1][:200]}); {_REMEDY}"
            )
        answer = json.loads(line)
        self.asked += repeats
        self.found += answer["found"]
        return [float(each) for each in answer["seconds"]]

    def _ask(self, repeats: int) -> str:
        if self._process.stdin is None or self._process.stdout is None:
            return ""
        self._process.stdin.write(f"{repeats}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()

    def job(self, key: str) -> TimedJob:
        """A job of one face per repeat."""
        return TimedJob(key, self.visit)


@contextmanager
def open_mediapipe(python: Path | None, crops: Array) -> Iterator[MediaPipe]:
    """Start the child and hand it crops; it ends with the block.

    Args:
        python: of an environment with mediapipe 0.10.21.
        crops: (N, S, S, 3) uint8 RGB, with a margin: MediaPipe finds the face with its own detector.

    Raises:
        MissingDependencyError: no such Python, or mediapipe does not start in it.
    """
    if python is None or not python.is_file():
        missing = "no Python for mediapipe was given" if python is None else f"{python}: no such file"
        raise MissingDependencyError(f"{missing}; {_REMEDY}")
    source = Path(mediapipe_child.__file__).read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w+b") as log:
        file = Path(folder) / "crops.npz"
        np.savez(file, crops=crops)
        with subprocess.Popen(
            [str(python), "-c", source, str(file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process:
            try:
                child = MediaPipe(process, log, python)
                child.visit(1, lambda: 0.0)  # not timed: says early whether it runs at all
                child.asked = child.found = 0
                yield child
            finally:
                process.kill()
