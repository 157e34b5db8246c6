"""Many photos, few at a time, on a few threads: results come in order, a broken photo is a `Failure`."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TypeAlias, TypeVar

from numpy.typing import NDArray

from efficientfan.errors import InputError
from efficientfan.imaging import DEFAULT_MAX_PIXELS, read_rgb
from efficientfan.predict.detectors import FaceDetector, SharedDetector
from efficientfan.predict.photos import Photo
from efficientfan.predict.predictor import LandmarkPredictor, Proposal
from efficientfan.structures import Face

__all__ = [
    "Failure",
    "Found",
    "ThreadShares",
    "Workers",
    "boxes_of",
    "predict_photos",
    "share_threads",
    "usable_cores",
]

Array = NDArray[Any]
Item = TypeVar("Item")
Result = TypeVar("Result")

_PIXELS_AT_ONCE = 16_000_000
"""Photos wait for a full batch of faces only until they hold this many pixels (48 MB) together."""


class Workers:
    """A pool of threads for one run, and a lazy `map` on it. Leaving the `with` block leaves no thread behind.

    Maps may be chained, each fed by the one before: all share the threads, and the items flow through them without a
    stage waiting for the one before it to finish. Decoding, OpenCV and the engines let other threads run meanwhile.

    Args:
        threads: how many; with one there is no pool, and everything happens in the calling thread, item by item.

    Raises:
        InputError: fewer than one thread.
    """

    def __init__(self, threads: int) -> None:
        if threads < 1:
            raise InputError(f"threads must be at least 1, not {threads}")
        self.threads = threads
        self._pool = ThreadPoolExecutor(threads, "efficientfan") if threads > 1 else None

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def map(
        self, function: Callable[[Item], Result], items: Iterable[Item], *, ahead: int | None = None
    ) -> Iterator[Result]:
        """`function` of each item, in order. Items are taken, in the caller's thread, only as results are.

        An exception of `function` is raised where its result would have come.

        Args:
            function: called by several threads at once.
            items: any number.
            ahead: most results that are under way or wait to be taken; None is one more than threads.
        """
        if self._pool is None:
            yield from map(function, items)
            return
        most = self.threads + 1 if ahead is None else ahead
        waiting: deque[Future[Result]] = deque()
        for item in items:
            waiting.append(self._pool.submit(function, item))
            del item  # whoever works on it holds it as long as need be
            if len(waiting) >= most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@dataclass(frozen=True)
class ThreadShares:
    """How the threads of a run are used.

    Attributes:
        workers: photos, or batches of faces, that are worked on at once.
        each: threads within the work of one of them.
    """

    workers: int
    each: int


def share_threads(threads: int | None, n_photos: int) -> ThreadShares:
    """Threads spread over photos first, since those never wait for each other; what is left goes into each.

    Args:
        threads: in all; None takes the cores that this process may use.
        n_photos: of the run.

    >>> share_threads(8, 1000), share_threads(8, 2)
    (ThreadShares(workers=8, each=1), ThreadShares(workers=2, each=4))
    """
    total = threads or usable_cores()
    workers = max(1, min(total, n_photos))
    return ThreadShares(workers, total // workers)


def usable_cores() -> int:
    """Processor threads that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # fewer than the machine has, in a container or under taskset
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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
