"""Many photos, few at a time: results come in order, a broken photo is a `Failure`, memory stays flat."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from numpy.typing import NDArray

from efficientfan.errors import InputError
from efficientfan.imaging import DEFAULT_MAX_PIXELS, read_rgb
from efficientfan.predict.given_boxes import boxes_within
from efficientfan.predict.photos import Photo
from efficientfan.predict.predictor import LandmarkPredictor
from efficientfan.structures import Face

__all__ = ["Failure", "Found", "boxes_of", "predict_photos"]

Array = NDArray[Any]

_PIXELS_AT_ONCE = 50_000_000
"""Photos wait for a full batch only until they hold this many pixels (150 MB) together."""


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


Read: TypeAlias = "tuple[Photo, Array, Array | None]"


def predict_photos(
    predictor: LandmarkPredictor,
    photos: Iterable[Photo],
    boxes: Mapping[str, Array] | None = None,
    *,
    min_score: float | None = None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
) -> Iterator[Found | Failure]:
    """The faces of each photo, batched across photos.

    Args:
        predictor: its `batch_size` also bounds how many photos are held at once.
        photos: any number.
        boxes: image -> (N, 4) xyxy, as `read_boxes` gives; a photo that it does not name is a `Failure`.
            None asks the detector.
        min_score: lowest score of a found face; None takes the model's own.
        max_pixels: larger photos are refused before they are decoded.
    """
    waiting: list[Read | Failure] = []
    pixels = 0
    for photo in photos:
        item = _read(photo, boxes, max_pixels)
        waiting.append(item)
        pixels += 0 if isinstance(item, Failure) else item[1].shape[0] * item[1].shape[1]
        if len(waiting) >= predictor.batch_size or pixels >= _PIXELS_AT_ONCE:
            yield from _predict(predictor, waiting, min_score)
            waiting, pixels = [], 0
    yield from _predict(predictor, waiting, min_score)


def boxes_of(photo: Photo, boxes: Mapping[str, Array]) -> Array | None:
    """The photo's boxes, by its path, its name below the source folder, or its file name; None if unnamed."""
    return next((boxes[key] for key in _keys(photo) if key in boxes), None)


def _keys(photo: Photo) -> tuple[str, ...]:
    return photo.path, photo.name, photo.name.replace("\\", "/").rsplit("/", 1)[-1]


def _read(photo: Photo, boxes: Mapping[str, Array] | None, max_pixels: int) -> Read | Failure:
    try:
        given = None
        if boxes is not None:
            given = boxes_of(photo, boxes)
            if given is None:
                raise InputError(f"{photo.path}: the boxes file does not name it")
        image = read_rgb(photo.path, max_pixels=max_pixels)
        if given is not None:
            try:
                boxes_within(given, image.shape[1], image.shape[0])
            except InputError as error:
                raise InputError(f"{photo.path}: {error}") from error
        return photo, image, given
    except InputError as error:
        return Failure(photo, str(error))


def _predict(
    predictor: LandmarkPredictor, items: list[Read | Failure], min_score: float | None
) -> Iterator[Found | Failure]:
    read = [item for item in items if not isinstance(item, Failure)]
    found = iter(
        predictor([image for _, image, _ in read], [given for *_, given in read], min_score=min_score)
        if read
        else ()
    )
    for item in items:
        yield item if isinstance(item, Failure) else Found(item[0], item[1], next(found))
