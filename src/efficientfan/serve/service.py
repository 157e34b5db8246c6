"""The models of a service, its queue and its counters: what lasts longer than a request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.types import Receive

from efficientfan.errors import did_you_mean, printable
from efficientfan.imaging import to_rgb
from efficientfan.imaging.guarded import GuardedReader
from efficientfan.predict import LandmarkPredictor, load, open_detector
from efficientfan.predict.backends import backend_class
from efficientfan.predict.many import usable_cores
from efficientfan.serve.answers import photo_answer
from efficientfan.serve.monitor import Monitor
from efficientfan.serve.options import Options
from efficientfan.serve.queue import Decode, FaceQueue, Job
from efficientfan.serve.refusals import ClientGone, Refusal
from efficientfan.serve.settings import ServiceSettings
from efficientfan.serve.uploads import HeldBytes, UploadedPhoto
from efficientfan.weights import find_model

__all__ = ["Service"]


class Service:
    """Opens the models, and starts the threads of the queue; `close` ends them.

    Args:
        settings: models and limits.
        decode: reads a photo; None takes child processes (`imaging.GuardedReader`) or, as the settings say,
            `imaging.to_rgb` in the queue's threads.

    Attributes:
        settings: as given.
        predictors: name that requests may give -> predictor; the first is the one without a name.
        monitor: counters.
        held: bytes of bodies in memory.
        draining: whether the service is about to stop.

    Raises:
        InputError: as for `efficientfan.load`.
        MissingDependencyError: as for `efficientfan.load`.
    """

    def __init__(self, settings: ServiceSettings, decode: Decode | None = None) -> None:
        self.settings = settings
        self.monitor = Monitor()
        self.held = HeldBytes(settings.max_held_bytes)
        self.draining = False
        self.threads = settings.threads or usable_cores()
        detector = open_detector(settings.detector, 1)
        self.predictors = {
            Path(name).stem: load(
                name,
                detector=detector,
                backend=settings.backend,
                device=settings.device,
                precision=settings.precision,
                # Runs that take turns get all threads.
                threads=1 if backend_class(find_model(name), settings.backend).runs_overlap else self.threads,
                max_faces=settings.max_faces,
                times=self.monitor,
            )
            for name in settings.models
        }
        self._reader: GuardedReader | None = None
        if decode is None and settings.untrusted:
            decode = self._reader = GuardedReader(
                self.threads, seconds=settings.decode_seconds, max_pixels=settings.max_pixels
            )
        self.queue = FaceQueue(
            decode or partial(to_rgb, max_pixels=settings.max_pixels),
            threads=self.threads,
            most=settings.queue,
            batch=settings.batch,
            batched=self.monitor.batches.observe,
        )
        self.monitor.waiting.set_function(lambda: len(self.queue))
        self.monitor.held.set_function(lambda: self.held.now)

    def close(self) -> None:
        """Finish what was accepted, and end the threads and child processes."""
        self.queue.close()
        if self._reader is not None:
            self._reader.close()

    def predictor(self, name: str | None) -> LandmarkPredictor:
        """The predictor of a name: as the service was told, or the model's own; the first for None.

        Raises:
            Refusal: there is none.
        """
        for known, predictor in self.predictors.items():
            if name in (None, known, predictor.spec.name):
                return predictor
        raise Refusal(
            "unknown_model",
            f"no model {printable(str(name))[:100]!r};{did_you_mean(name, self.predictors)} this service has "
            f"{', '.join(self.predictors)}",
        )

    async def faces(
        self,
        request: Request,
        photos: Sequence[UploadedPhoto],
        boxes: Sequence[Sequence[Sequence[float]] | None],
        options: Options,
    ) -> list[dict[str, Any] | Refusal]:
        """The answer of each photo, or why there is none.

        Args:
            request: whose body has been read.
            photos: N photos.
            boxes: of each photo, xyxy in image pixels; None asks the detector.
            options: of the request.

        Raises:
            Refusal: an unknown model, too many boxes, a full queue, or no answer in time.
            ClientGone: the connection was closed; what still waits is not worked on.
        """
        predictor = self.predictor(options.model)
        if any(len(own or ()) > self.settings.max_faces for own in boxes):
            raise Refusal("unusable_boxes", f"a photo has at most {self.settings.max_faces} boxes")
        deadline = time.monotonic() + self.settings.answer_seconds
        jobs = [
            Job(
                photo.content,
                predictor,
                own,
                options.min_score,
                partial(
                    photo_answer, photo.name, predictor=predictor, options=options, given=own is not None
                ),
                deadline,
            )
            for photo, own in zip(photos, boxes, strict=True)
        ]
        self.queue.submit(jobs)
        try:
            results = await _finished(request.receive, jobs, self.settings.answer_seconds)
        finally:
            self.queue.withdraw(jobs)
        for result in results:
            if isinstance(result, dict):
                self.monitor.faces.inc(len(result["faces"]))
        return results


async def _finished(receive: Receive, jobs: Sequence[Job], seconds: float) -> list[dict[str, Any] | Refusal]:
    """Results of jobs, in their order. Where the time is over or the client gone, those that wait are cancelled."""
    results: asyncio.Future[list[Any]] = asyncio.gather(
        *(asyncio.wrap_future(job.future) for job in jobs), return_exceptions=True
    )
    gone: asyncio.Future[Any] = asyncio.ensure_future(_closed(receive))
    try:
        await asyncio.wait({results, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if not results.done():
            if gone.done():
                raise ClientGone
            raise Refusal("timed_out", f"no answer within {seconds:g} seconds; try again later")
        finished: list[dict[str, Any] | Refusal] = []
        for result in results.result():
            if not isinstance(result, dict | Refusal):
                raise result
            finished.append(result)
        return finished
    finally:
        for task in (results, gone):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _closed(receive: Receive) -> None:
    """Ends when the client closes the connection; the body has been read."""
    while (await receive())["type"] != "http.disconnect":
        pass
