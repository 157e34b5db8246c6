"""Many photos, a few at a time, on several threads: results in order, and a `PhotoFailure` per unusable photo."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from numpy.typing import NDArray

from efficientfan.errors import InputError, check_number, printable
from efficientfan.imaging import DEFAULT_MAX_PIXELS, read_rgb
from efficientfan.predict.photos import Photo
from efficientfan.predict.predictor import LandmarkPredictor, Proposal
from efficientfan.structures import Face

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

__all__ = [
    "PhotoFailure",
    "PhotoFaces",
    "ThreadShares",
    "Workers",
    "predict_photos",
    "share_threads",
    "usable_cores",
]

Array = NDArray[Any]
Item = TypeVar("Item")
Result = TypeVar("Result")

_PIXELS_AT_ONCE = 16_000_000
"""A batch ends at this many pixels (48 MB), even if it has fewer faces than the network takes at once."""


class Workers:
    """A pool of threads for one run, with a lazy `map`. At the end of the `with` block all threads have ended.

    Maps may be chained, each over the results of another: they share the threads, and no map waits for another to
    finish. Decoding, OpenCV and the engines release Python's interpreter lock, so they run in parallel.

    Args:
        threads: number of threads; with one everything runs in the calling thread, item by item.

    Raises:
        InputError: fewer than one thread.
    """

    def __init__(self, threads: int) -> None:
        check_number("threads", threads, 1, whole=True)
        self.threads = threads
        self._pool: ThreadPoolExecutor | None = None
        if threads > 1:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(threads, "efficientfan")

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
        """`function(item)` of each item, in order. Items are consumed, in the caller's thread, as results are.

        Args:
            function: called by several threads at once. Its exceptions are raised in place of its result.
            items: any number.
            ahead: most results that are being computed or wait to be consumed; None: one more than threads.
        """
        if self._pool is None:
            yield from map(function, items)
            return
        most = self.threads + 1 if ahead is None else ahead
        waiting: deque[Future[Result]] = deque()
        for item in items:
            waiting.append(self._pool.submit(function, item))
            del item  # only the thread that works on it keeps it alive
            if len(waiting) >= most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@dataclass(frozen=True)
class ThreadShares:
    """How the threads of a run are used.

    Attributes:
        workers: photos, or batches of faces, that are processed at once.
        each: threads of each of them.
    """

    workers: int
    each: int


def share_threads(threads: int | None, n_photos: int) -> ThreadShares:
    """Divide threads: one per photo first, since photos are independent; the rest are shared out among the photos.

    Args:
        threads: in all; None takes the cores that this process may use.
        n_photos: number of photos of the run.

    >>> share_threads(8, 1000), share_threads(8, 2)
    (ThreadShares(workers=8, each=1), ThreadShares(workers=2, each=4))
    """
    total = threads or usable_cores()
    workers = max(1, min(total, n_photos))
    return ThreadShares(workers, total // workers)


def usable_cores() -> int:
    """Processor threads that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # may be fewer than the machine has: containers, taskset
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, eq=False)
class PhotoFaces:
    """A photo and its faces.

    Attributes:
        photo: where it came from.
        image: H x W x 3 uint8 RGB, upright.
        faces: its faces, possibly none.
    """

    photo: Photo
    image: Array
    faces: list[Face]


@dataclass(frozen=True)
class PhotoFailure:
    """A photo that could not be used.

    Attributes:
        photo: where it came from.
        reason: one line that names the photo and what is wrong.
    """

    photo: Photo
    reason: str


Read: TypeAlias = "tuple[Photo, Proposal]"
"""A photo that was read, with the boxes of its faces."""


def predict_photos(
    predictor: LandmarkPredictor,
    photos: Iterable[Photo],
    boxes: Mapping[str, Array] | None = None,
    *,
    min_score: float | None = None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    workers: Workers | None = None,
    ends: Container[int] = frozenset(),
    untrusted: bool = False,
    read: Callable[[str], Array] | None = None,
) -> Iterator[PhotoFaces | PhotoFailure]:
    """The faces of each photo, in the order of the photos, batched across photos.

    With several workers, photos are read and searched for faces while the network processes earlier ones, in several
    batches at once; the results are the same, bit for bit. Memory does not grow with the number of photos: at most two
    batches and one per worker are held. A batch ends at `batch_size` faces or photos, or at 16 million pixels.

    Args:
        predictor: its `batch_size` also limits how many photos are held at once.
        photos: any number, such as of `find_photos`.
        boxes: photo's path, name or file name -> (N, 4) xyxy in image pixels, as from `read_boxes`; a photo that is not
            named is a `PhotoFailure`. None asks the detector.
        min_score: lowest mean landmark score of a found face, in [0, 1]; None takes the model's own.
        max_pixels: photos of more pixels are refused before they are decoded.
        workers: threads to work in; None does everything in the calling thread.
        ends: positions of photos, from 0, at which a batch ends; networks may round otherwise in another batch, so
            a run that goes on after one of them has the very results of one that was not interrupted.
        untrusted: decode in child processes of limited time and memory, one per worker (`GuardedReader`).
        read: reads a photo's path as H x W x 3 uint8 RGB, in place of `read_rgb`; several threads call it.

    Yields:
        A `PhotoFaces` or a `PhotoFailure` per photo.
    """
    pool = workers or Workers(1)

    def locate(items: list[Read | PhotoFailure]) -> list[PhotoFaces | PhotoFailure]:
        return _locate(predictor, items, min_score)

    with ExitStack() as stack:
        decode = read or partial(read_rgb, max_pixels=max_pixels)
        if untrusted:
            from efficientfan.imaging.guarded import GuardedReader

            decode = stack.enter_context(GuardedReader(pool.threads, max_pixels=max_pixels))
        read_one = partial(_read, predictor, boxes, decode)
        for results in pool.map(locate, _batches(pool.map(read_one, photos), predictor.batch_size, ends)):
            results.reverse()
            while results:
                yield results.pop()  # frees the photo once the caller is done with it


def _boxes_of(photo: Photo, boxes: Mapping[str, Array]) -> Array | None:
    """The photo's boxes, by its path, its name below the source folder, or its file name; None where none is there."""
    return next((boxes[key] for key in _keys(photo) if key in boxes), None)


def _keys(photo: Photo) -> tuple[str, ...]:
    return photo.path, photo.name, photo.name.replace("\\", "/").rsplit("/", 1)[-1]


def _read(
    predictor: LandmarkPredictor,
    boxes: Mapping[str, Array] | None,
    decode: Callable[[str], Array],
    photo: Photo,
) -> Read | PhotoFailure:
    try:
        given = None
        if boxes is not None:
            given = _boxes_of(photo, boxes)
            if given is None:
                raise InputError(f"{photo.path}: is not in the boxes file")
        with predictor.times.measure("read"):
            image = decode(photo.path)
    except InputError as error:
        return PhotoFailure(photo, printable(str(error)))
    if given is None:
        return photo, predictor.propose(image)
    try:
        return photo, predictor.propose(image, given)
    except InputError as error:
        return PhotoFailure(photo, printable(f"{photo.path}: {error}"))


def _batches(
    items: Iterable[Read | PhotoFailure], batch_size: int, ends: Container[int]
) -> Iterator[list[Read | PhotoFailure]]:
    """Lists of photos with enough faces for one run of the network, or as many pixels as should be held."""
    batch: list[Read | PhotoFailure] = []
    faces = pixels = 0
    for position, item in enumerate(items):
        batch.append(item)
        if not isinstance(item, PhotoFailure):
            _, proposal = item
            height, width = proposal.photo.image.shape[:2]
            faces, pixels = faces + len(proposal.boxes), pixels + height * width
        if max(faces, len(batch)) >= batch_size or pixels >= _PIXELS_AT_ONCE or position in ends:
            yield batch
            batch, faces, pixels = [], 0, 0
    if batch:
        yield batch


def _locate(
    predictor: LandmarkPredictor, items: list[Read | PhotoFailure], min_score: float | None
) -> list[PhotoFaces | PhotoFailure]:
    proposals = [item[1] for item in items if not isinstance(item, PhotoFailure)]
    faces = iter(predictor.locate(proposals, min_score))
    return [
        item if isinstance(item, PhotoFailure) else PhotoFaces(item[0], item[1].photo.image, next(faces))
        for item in items
    ]
