"""Many photos, few at a time: results come in order, a broken photo is a `Failure`, memory stays flat."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from numpy.typing import NDArray

from efficientfan.errors import InputError
from efficientfan.imaging import DEFAULT_MAX_PIXELS, read_rgb
from efficientfan.predict.detectors import FaceDetector, SharedDetector
from efficientfan.predict.photos import Photo
from efficientfan.predict.predictor import LandmarkPredictor, Proposal
from efficientfan.predict.workers import Workers
from efficientfan.structures import Face

__all__ = ["Failure", "Found", "boxes_of", "predict_photos"]

Array = NDArray[Any]

_PIXELS_AT_ONCE = 16_000_000
"""Photos wait for a full batch of faces only until they hold this many pixels (48 MB) together."""


@dataclass(frozen=True)
class Found:
    """A photo and its faces, perhaps none."""

    photo: Photo
    image: Array
    faces: list[Face]


@dataclass(frozen=True)
class Failure:
    """A photo that could not be used; `reason` is one line that names it."""

    photo: Photo
    reason: str


Read: TypeAlias = "tuple[Photo, Proposal]"


def predict_photos(
    predictor: LandmarkPredictor,
    photos: Iterable[Photo],
    boxes: Mapping[str, Array] | None = None,
    *,
    min_score: float | None = None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    workers: Workers | None = None,
) -> Iterator[Found | Failure]:
    """The faces of each photo, batched across photos.

    With workers, photos are read and searched while the network looks at the faces of those before, and the faces of
    several batches at once; the results are the same, bit for bit. Memory does not grow with the number of photos:
    held are two batches and one more a worker, and a batch ends at `batch_size` faces or photos, or 16 million pixels.

    Args:
        predictor: its `batch_size` also bounds how many photos are held at once.
        photos: any number.
        boxes: image -> (N, 4) xyxy, as `read_boxes` gives; a photo that it does not name is a `Failure`.
            None asks the detector.
        min_score: lowest score of a found face; None takes the model's own.
        max_pixels: larger photos are refused before they are decoded.
        workers: threads of the caller's to work ahead in; None does everything in the calling thread.
    """
    pool = workers or Workers(1)
    detector = predictor.detector if pool.threads == 1 else SharedDetector(predictor.detector)

    def read(photo: Photo) -> Read | Failure:
        return _read(predictor, detector, photo, boxes, max_pixels)

    def locate(items: list[Read | Failure]) -> list[Found | Failure]:
        return _locate(predictor, items, min_score)

    for results in pool.map(locate, _batches(pool.map(read, photos), predictor.batch_size)):
        results.reverse()
        while results:
            yield results.pop()  # and let go of it


def boxes_of(photo: Photo, boxes: Mapping[str, Array]) -> Array | None:
    """The photo's boxes, by its path, its name below the source folder, or its file name; None if unnamed."""
    return next((boxes[key] for key in _keys(photo) if key in boxes), None)


def _keys(photo: Photo) -> tuple[str, ...]:
    return photo.path, photo.name, photo.name.replace("\\", "/").rsplit("/", 1)[-1]


def _read(
    predictor: LandmarkPredictor,
    detector: FaceDetector,
    photo: Photo,
    boxes: Mapping[str, Array] | None,
    max_pixels: int,
) -> Read | Failure:
    try:
        given = None
        if boxes is not None:
            given = boxes_of(photo, boxes)
            if given is None:
                raise InputError(f"{photo.path}: the boxes file does not name it")
        with predictor.times.measure("read"):
            image = read_rgb(photo.path, max_pixels=max_pixels)
    except InputError as error:
        return Failure(photo, str(error))
    if given is None:
        return photo, predictor.propose(image, detector=detector)
    try:
        return photo, predictor.propose(image, given)
    except InputError as error:
        return Failure(photo, f"{photo.path}: {error}")


def _batches(items: Iterable[Read | Failure], batch_size: int) -> Iterator[list[Read | Failure]]:
    """Photos in lists that end with enough faces for the network, or with as much as is good to hold."""
    batch: list[Read | Failure] = []
    faces = pixels = 0
    for item in items:
        batch.append(item)
        if not isinstance(item, Failure):
            _, proposal = item
            height, width = proposal.photo.image.shape[:2]
            faces, pixels = faces + len(proposal.boxes), pixels + height * width
        if max(faces, len(batch)) >= batch_size or pixels >= _PIXELS_AT_ONCE:
            yield batch
            batch, faces, pixels = [], 0, 0
    if batch:
        yield batch


def _locate(
    predictor: LandmarkPredictor, items: list[Read | Failure], min_score: float | None
) -> list[Found | Failure]:
    proposals = [item[1] for item in items if not isinstance(item, Failure)]
    faces = iter(predictor.locate(proposals, min_score))
    return [
        item if isinstance(item, Failure) else Found(item[0], item[1].photo.image, next(faces))
        for item in items
    ]
