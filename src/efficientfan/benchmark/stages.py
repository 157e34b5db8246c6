"""Where a photo's time goes: decoding, detector, crops, network and drawing, each timed alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from efficientfan.benchmark.photos import FacePhoto
from efficientfan.benchmark.timing import Clock, Job, Timing, timed
from efficientfan.draw import draw_faces
from efficientfan.geometry import CropTransform
from efficientfan.imaging import read_rgb, warp
from efficientfan.predict.predictor import LandmarkPredictor

__all__ = ["PARTS", "PhotoTimes", "photo_times", "stage_jobs"]

PARTS = ("read", "detect", "crop", "network", "draw")
"""The steps of one pass; a photo whose faces are detected takes crop and network twice."""

_WHOLE = "predict"


@dataclass(frozen=True)
class PhotoTimes:
    """Milliseconds of one photo, at the median.

    Attributes:
        scene: which photo or photos.
        faces: in it, on average; the given boxes that crop, network and draw work on.
        found: faces that the whole call finds, on average.
        parts: step -> ms.
        predict_ms: the whole call, from the file to the faces.
    """

    scene: str
    faces: float
    found: float
    parts: Mapping[str, float]
    predict_ms: float


def stage_jobs(name: str, photos: Sequence[FacePhoto], predictor: LandmarkPredictor) -> list[Job]:
    """A job for each of `PARTS` and one for the whole call; each timed repeat takes the next photo."""

    def job(part: str, run: Callable[[int], object]) -> Job:
        turns = itertools.cycle(range(len(photos)))

        def visit(repeats: int, clock: Clock) -> Sequence[float]:
            photos = list(itertools.islice(turns, repeats))
            order = itertools.chain(photos[:1], photos)  # the untimed first run does not use up a photo
            return timed(lambda: run(next(order)))(repeats, clock)

        return Job(f"{name}/{part}", visit)

    spec, backend, step = predictor.spec, predictor.backend, predictor.batch_size
    transforms = [
        [CropTransform.from_box(box, spec.input_size, spec.crop_margin) for box in photo.boxes]
        for photo in photos
    ]
    crops = [warp(photo.image, cuts) for photo, cuts in zip(photos, transforms, strict=True)]
    faces = [predictor(photo.image, photo.boxes) for photo in photos]
    return [
        job("read", lambda index: read_rgb(photos[index].path)),
        job("detect", lambda index: predictor.detector.detect(photos[index].image)),
        job("crop", lambda index: warp(photos[index].image, transforms[index])),
        job(
            "network",
            lambda index: [
                backend.run(crops[index][start : start + step]) for start in range(0, len(crops[index]), step)
            ],
        ),
        job("draw", lambda index: draw_faces(photos[index].image, faces[index])),
        job(_WHOLE, lambda index: predictor(photos[index].path)),
    ]


def photo_times(
    name: str, photos: Sequence[FacePhoto], predictor: LandmarkPredictor, timings: Mapping[str, Timing]
) -> PhotoTimes:
    """The results of the jobs of `stage_jobs` in `timings`."""
    return PhotoTimes(
        scene=name,
        faces=float(np.mean([len(photo.boxes) for photo in photos])),
        found=float(np.mean([len(predictor(photo.image)) for photo in photos])),
        parts={part: timings[f"{name}/{part}"].median_ms for part in PARTS},
        predict_ms=timings[f"{name}/{_WHOLE}"].median_ms,
    )
