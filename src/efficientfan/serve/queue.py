"""The bounded queue of photos, and the threads that work on it: each reads a few photos and batches their faces."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from numpy.typing import NDArray

from efficientfan.errors import InputError, printable
from efficientfan.predict import LandmarkPredictor
from efficientfan.predict.predictor import Proposal
from efficientfan.serve.refusals import Refusal
from efficientfan.structures import Face

__all__ = ["Decode", "FaceQueue", "Job"]

Array = NDArray[Any]

Decode: TypeAlias = Callable[[bytes], Array]
"""Turns the bytes of an image file into H x W x 3 uint8 RGB, or raises `InputError`. Threads call it at once."""

_PIXELS_AT_ONCE = 16_000_000
"""A batch ends at this many pixels (48 MB)."""


@dataclass(frozen=True, eq=False)
class Job:
    """A photo that waits for its faces.

    Attributes:
        photo: bytes of the image file.
        predictor: finds its faces.
        boxes: N boxes, xyxy in image pixels; None asks the detector.
        min_score: as for a predictor.
        answer: makes the result from the H x W x 3 uint8 RGB image and its faces; called in the queue's thread.
        deadline: by `time.monotonic`; later, nobody waits for the result.
        future: gets the result, or a `Refusal`. One that is cancelled while it waits is skipped.
    """

    photo: bytes
    predictor: LandmarkPredictor
    boxes: Sequence[Sequence[float]] | None
    min_score: float | None
    answer: Callable[[Array, list[Face]], Any]
    deadline: float
    future: Future[Any] = field(default_factory=Future)

    def batches_with(self, other: Job) -> bool:
        """Whether the faces of both may go through the network together."""
        return self.predictor is other.predictor and self.min_score == other.min_score


class FaceQueue:
    """A bounded queue of photos and its threads. Each thread takes its share of the photos that wait, at most `batch`,
    reads them and searches them for faces, and sends the faces of all through the network together: under little load a
    photo waits for no other, under much load the network gets batches.

    Args:
        decode: reads a photo.
        threads: number of threads.
        most: photos that may wait.
        batch: photos that a thread takes at once.
        batched: told the number of photos of each batch.
    """

    def __init__(
        self,
        decode: Decode,
        *,
        threads: int,
        most: int,
        batch: int,
        batched: Callable[[int], None] = lambda photos: None,
    ) -> None:
        self._decode = decode
        self._most = most
        self._batch = batch
        self._batched = batched
        self._waiting: deque[Job] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"efficientfan-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def __len__(self) -> int:
        return len(self._waiting)

    def submit(self, jobs: Sequence[Job]) -> None:
        """Accept all of the jobs, or none.

        Raises:
            Refusal: not enough room, or the queue is closed.
        """
        with self._changed:
            if self._closed:
                raise Refusal("not_ready", "the service is shutting down")
            if len(self._waiting) + len(jobs) > self._most:
                raise Refusal("busy", f"{len(self._waiting)} photos wait already; try again in a second")
            self._waiting.extend(jobs)
            self._changed.notify(len(jobs))

    def withdraw(self, jobs: Sequence[Job]) -> None:
        """Let go of those of the jobs that wait, and of their photos: nobody wants them any more."""
        with self._changed:
            gone = {job for job in jobs if job.future.cancel()}
            if gone:
                self._waiting = deque(job for job in self._waiting if job not in gone)

    def close(self) -> None:
        """Accept nothing more, finish what was accepted, and end the threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (job := self._next()) is not None:
            self._run(job)
            del job  # its photo is not kept while this thread waits

    def _next(self, like: Job | None = None) -> Job | None:
        """The next job; None at the end. With `like`, only one that batches with it, and without waiting."""
        with self._changed:
            while True:
                while not self._waiting:
                    if like is not None or self._closed:
                        return None
                    self._changed.wait()
                if like is not None and not self._waiting[0].batches_with(like):
                    return None
                job = self._waiting.popleft()
                if not job.future.set_running_or_notify_cancel():
                    continue
                if time.monotonic() < job.deadline:
                    return job
                job.future.set_exception(Refusal("timed_out", "the photo waited too long"))

    def _run(self, first: Job) -> None:
        """Work on a job, and on others that can be batched with it."""
        share = min(self._batch, math.ceil((len(self._waiting) + 1) / len(self._threads)))
        read: list[tuple[Job, Proposal]] = []
        job: Job | None = first
        taken = pixels = 0
        while job is not None:
            taken += 1
            with _failing(job):
                proposal = self._read(job)
                read.append((job, proposal))
                pixels += proposal.photo.image.size // 3
            job = self._next(first) if taken < share and pixels < _PIXELS_AT_ONCE else None
        if read:
            self._batched(len(read))
            self._locate(read)

    def _read(self, job: Job) -> Proposal:
        try:
            image = self._decode(job.photo)
        except InputError as error:
            raise Refusal("unusable_image", printable(str(error))) from error
        if job.boxes is None:
            return job.predictor.propose(image)
        try:
            return job.predictor.propose(image, job.boxes)
        except InputError as error:
            raise Refusal("unusable_boxes", printable(str(error))) from error

    def _locate(self, read: list[tuple[Job, Proposal]]) -> None:
        first, jobs = read[0][0], [job for job, _ in read]
        with _failing(*jobs):
            found = first.predictor.locate([proposal for _, proposal in read], first.min_score)
            for (job, proposal), faces in zip(read, found, strict=True):
                with _failing(job):
                    job.future.set_result(job.answer(proposal.photo.image, faces))


@contextmanager
def _failing(*jobs: Job) -> Iterator[None]:
    """Whatever is raised in this block is raised by the jobs' futures; the thread goes on."""
    try:
        yield
    except Exception as error:
        for job in jobs:
            job.future.set_exception(error)
