"""Where the time of `predict` goes: photos from the file to the drawn faces, each stage measured on the way."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from efficientfan.benchmark.photos import FacePhoto
from efficientfan.benchmark.timing import Clock, TimedJob, Timing
from efficientfan.draw import draw_faces
from efficientfan.imaging import process_settings
from efficientfan.predict.predictor import LandmarkPredictor

__all__ = ["PARTS", "PhotoRuns", "PhotoTimes"]

PARTS = ("read", "detect", "crop", "network", "faces", "draw")
"""Of `predict.timing.STAGES`; crop and network hold both passes."""


@dataclass(frozen=True)
class PhotoTimes:
    """What a photo takes from its file to its drawn faces. Milliseconds, medians of the timed runs.

    Attributes:
        name: of the model and its engine.
        threads: processor threads of detector, network and OpenCV.
        scene: which photo or photos.
        faces: in it, on average.
        found: faces that are found, on average.
        parts: each of `PARTS`.
        total_ms: of the whole.
        quartiles_ms: of the whole: a quarter of the runs takes less than the first, a quarter more than the second.
        processor_ms: processor time of the whole, all threads together. With one thread it is `total_ms`, unless other
            programs had the processor in between.
    """

    name: str
    threads: int
    scene: str
    faces: float
    found: float
    parts: Mapping[str, float]
    total_ms: float
    quartiles_ms: tuple[float, float]
    processor_ms: float


class PhotoRuns:
    """Takes photos in turn from the file to the drawn faces, as `predict` does, and keeps what each run took.

    Args:
        name: of the model and its engine.
        threads: processor threads of the predictor, and for OpenCV.
        scene: what the photos are.
        photos: at least one.
        predictor: with `times` of its own, which other runs may share.
    """

    def __init__(
        self, name: str, threads: int, scene: str, photos: Sequence[FacePhoto], predictor: LandmarkPredictor
    ) -> None:
        self.name, self.threads, self.scene = name, threads, scene
        self._photos, self._predictor = photos, predictor
        self._turns = itertools.cycle(photos)
        self._parts: list[dict[str, float]] = []
        self._processor: list[float] = []
        self._found: list[int] = []

    @property
    def job(self) -> TimedJob:
        """Each timed repeat takes the next photo."""
        return TimedJob(f"{self.name}/{self.threads}/{self.scene}", self._visit)

    def _visit(self, repeats: int, clock: Clock) -> list[float]:
        photos = list(itertools.islice(self._turns, repeats))
        with process_settings(1, self.threads):
            self._run(photos[0])  # untimed, to fill caches and thread pools; it does not use up a photo
            return [self._timed(photo, clock) for photo in photos]

    def _timed(self, photo: FacePhoto, clock: Clock) -> float:
        before, processor, start = self._predictor.times.so_far, time.process_time(), clock()
        found = self._run(photo)
        seconds = clock() - start
        self._processor.append(time.process_time() - processor)
        after = self._predictor.times.so_far
        self._parts.append({part: after[part] - before[part] for part in PARTS})
        self._found.append(found)
        return seconds

    def _run(self, photo: FacePhoto) -> int:
        """Number of faces found."""
        proposal = self._predictor.propose(photo.path)
        (faces,) = self._predictor.locate([proposal])
        with self._predictor.times.measure("draw"):
            draw_faces(proposal.photo.image, faces)
        return len(faces)

    def times(self, timings: Mapping[str, Timing]) -> PhotoTimes:
        """The results, once `job` is done; `timings` has its own."""
        timing = timings[self.job.key]
        return PhotoTimes(
            self.name,
            self.threads,
            self.scene,
            faces=float(np.mean([len(photo.boxes) for photo in self._photos])),
            found=float(np.mean(self._found)),
            parts={part: 1e3 * float(np.median([run[part] for run in self._parts])) for part in PARTS},
            total_ms=timing.median_ms,
            quartiles_ms=timing.quartiles_ms,
            processor_ms=1e3 * float(np.median(self._processor)),
        )
