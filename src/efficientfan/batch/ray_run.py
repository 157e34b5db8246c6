"""Photos on Ray Data: a task per shard, on whatever machines a cluster has (extra `batch`).

The driver plans the shards, as a run on one machine does, and commits each as its result arrives, so that a run on Ray
can be resumed on one machine and the reverse. Ray does a task again whose process or machine has died. Tasks are plain
ones, not actors: the tasks of a lost actor wait until it has a place again, which on a cluster without a spare machine
is for ever. A process keeps its model from task to task. GPUs are the exception: Ray ends a process after a task with a
GPU, so there actors hold the models.
"""

from __future__ import annotations

import functools
import logging
import os
import pickle
import platform
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from efficientfan.batch.journal import PhotoEntry, stamp_of
from efficientfan.batch.plan import Chunk
from efficientfan.batch.remote import read_photo
from efficientfan.batch.run_info import RunInfo
from efficientfan.batch.settings import PhotoSettings
from efficientfan.errors import EfficientFanError, InputError, first_line, needs_extra, printable
from efficientfan.formats.records import FailedPhoto, Record, Result
from efficientfan.imaging import process_settings
from efficientfan.predict.many import PhotoFailure, Workers, predict_photos
from efficientfan.predict.photos import Photo
from efficientfan.predict.predictor import LandmarkPredictor

__all__ = ["ChunkResult", "ClusterOptions", "Work", "on_cluster", "results_on_ray"]


@dataclass(frozen=True)
class ClusterOptions:
    """Where the tasks run, and what each takes.

    Attributes:
        address: of a Ray cluster, or "auto"; None starts Ray on this machine and ends it with the run.
        workers: most tasks at once; None: as many as the cluster has room for.
        cpus: processor cores of a task, which are also its threads.
        gpus: GPUs of a task.
        memory: bytes of a task that Ray sets aside; None sets nothing aside.
        tries: times that a task is done again when its process or machine dies.
    """

    address: str | None = None
    workers: int | None = None
    cpus: int = 1
    gpus: float = 0.0
    memory: int | None = None
    tries: int = 3


@dataclass(frozen=True)
class ChunkResult:
    """The results of a chunk's photos, in their order, and what the journal says of them."""

    chunk: Chunk
    results: Sequence[Result]
    entries: Sequence[PhotoEntry]


@dataclass(frozen=True)
class Work:
    """What a task needs besides its photos.

    Attributes:
        settings, info: of the run; a machine whose model differs is refused.
        threads: of a task.
        content: whether the journal holds digests of the photos.
    """

    settings: PhotoSettings
    info: RunInfo
    threads: int
    content: bool = False

    def __call__(self, photos: Sequence[Photo]) -> tuple[list[Result], list[PhotoEntry]]:
        """Do some photos, in the process of a task.

        Raises:
            InputError: this machine cannot open the model, or has another one.
        """
        predictor = _predictor(self)
        stamps = [stamp_of(photo.path, content=self.content) for photo in photos]
        with process_settings(self.threads, 1), Workers(self.threads) as workers:
            try:
                results = self._results(predictor, photos, workers)
            except Exception:  # an error of a single photo costs that photo alone
                results = [self._alone(predictor, photo, workers) for photo in photos]
        entries = [
            PhotoEntry(result.image, stamp, isinstance(result, FailedPhoto))
            for result, stamp in zip(results, stamps, strict=True)
        ]
        return results, entries

    def _results(
        self, predictor: LandmarkPredictor, photos: Sequence[Photo], workers: Workers
    ) -> list[Result]:
        settings, results = self.settings, list[Result]()
        for found in predict_photos(
            predictor,
            photos,
            min_score=settings.min_score,
            workers=workers,
            read=functools.partial(read_photo, max_pixels=settings.max_pixels),
        ):
            if isinstance(found, PhotoFailure):
                results.append(FailedPhoto(found.photo.path, found.reason))
            else:
                height, width = found.image.shape[:2]
                spec = predictor.spec
                results.append(
                    Record(
                        found.photo.path, width, height, spec.name, spec.schema, found.faces, settings.pose
                    )
                )
        return results

    def _alone(self, predictor: LandmarkPredictor, photo: Photo, workers: Workers) -> Result:
        try:
            return self._results(predictor, [photo], workers)[0]
        except Exception as error:
            return FailedPhoto(photo.path, printable(f"{photo.path}: {first_line(error)}"))


@functools.lru_cache(maxsize=1)
def _opened(settings: PhotoSettings) -> tuple[LandmarkPredictor, RunInfo]:
    predictor = settings.open(1, 1)
    return predictor, settings.info(predictor)


def _predictor(work: Work) -> LandmarkPredictor:
    predictor, info = _opened(work.settings)
    differences = info.differences(work.info.to_dict())
    if differences:
        raise InputError(
            f"{platform.node()}: has another model than the machine that started the run: "
            + "; ".join(differences)
        )
    return predictor


STARTS = 3
"""Times that Ray is started on this machine: it gives up on itself after 30 seconds, which a busy machine may take."""


def _connect(options: ClusterOptions) -> None:
    import ray

    quiet = {"logging_level": logging.ERROR, "log_to_driver": False}
    if options.address is not None:
        try:
            ray.init(options.address, **quiet)
        except Exception as error:  # of many kinds
            raise InputError(
                f"--address {options.address}: no Ray cluster answers ({first_line(error)}); one with token "
                "authentication wants RAY_AUTH_MODE=token and its token here"
            ) from error
        return
    cores = None if options.workers is None else options.workers * options.cpus
    for start in range(1, STARTS + 1):
        try:
            ray.init("local", num_cpus=cores, include_dashboard=False, **quiet)
            return
        except Exception as error:
            ray.shutdown()
            if start == STARTS:
                raise EfficientFanError(f"Ray does not start on this machine: {first_line(error)}") from error


@contextmanager
def on_cluster(options: ClusterOptions) -> Iterator[None]:
    """Ray, connected until the block ends.

    Raises:
        InputError: no cluster answers at the address.
        EfficientFanError: Ray does not start on this machine.
        MissingDependencyError: Ray is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere
    with needs_extra("batch", "this needs"):
        import ray
        import ray.data
    _connect(options)
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # tasks that fail are done again, or said by us
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.max_errored_blocks = -1
    try:
        yield
    finally:
        ray.shutdown()


def results_on_ray(chunks: Sequence[Chunk], work: Work, options: ClusterOptions) -> Iterator[ChunkResult]:
    """The results of chunks as they arrive, in any order; each comes once.

    A photo on which the process of its task dies again and again is a `FailedPhoto`.

    Args:
        chunks: what is to be done.
        work: how.
        options: of the cluster; `on_cluster` has connected to it.

    Raises:
        EfficientFanError: a machine cannot open the model, or has another one; or all tasks of a chunk died.
    """
    left = {chunk.number: chunk for chunk in chunks}
    for number, results, entries in _done([(chunk.number, chunk.photos) for chunk in chunks], work, options):
        yield ChunkResult(left.pop(number), results, entries)
    for chunk in left.values():  # their tasks died each time; find the photos that are to blame
        alone: dict[int, tuple[Result, PhotoEntry]] = {}
        photos = [(place, [photo]) for place, photo in enumerate(chunk.photos)]
        for place, results, entries in _done(photos, work, options):
            alone[place] = results[0], entries[0]
        if not alone and len(chunk.photos) > 1:
            raise EfficientFanError(
                f"the processes of {options.tries + 1} tries died on all of {len(chunk.photos)} photos, such as "
                f"{chunk.photos[0].path}; give each more with --memory-mb, or look into Ray's logs"
            )
        for place, photo in enumerate(chunk.photos):
            if place not in alone:
                reason = f"{printable(photo.path)}: the process that read it died, {options.tries + 1} times"
                alone[place] = (
                    FailedPhoto(photo.path, reason),
                    PhotoEntry(photo.path, stamp_of(photo.path), True),
                )
        pairs = [alone[place] for place in range(len(chunk.photos))]
        yield ChunkResult(chunk, [result for result, _ in pairs], [entry for _, entry in pairs])


def _done(
    jobs: Sequence[tuple[int, Sequence[Photo]]], work: Work, options: ClusterOptions
) -> Iterator[tuple[int, list[Result], list[PhotoEntry]]]:
    """The jobs whose tasks did not die."""
    import ray.data

    if not jobs:
        return
    rows = [{"job": pickle.dumps(job)} for job in jobs]
    data = ray.data.from_items(rows, override_num_blocks=len(rows))
    more: dict[str, Any] = {"num_cpus": options.cpus}
    if options.memory is not None:
        more["memory"] = options.memory
    if options.gpus:
        actors = ray.data.ActorPoolStrategy(min_size=1, max_size=options.workers)
        done = data.map(_Actor, fn_constructor_args=(work,), compute=actors, num_gpus=options.gpus, **more)
    else:
        tasks = ray.data.TaskPoolStrategy(size=options.workers)
        with warnings.catch_warnings():  # Ray Data has no other way to say it, and tries for ever by itself
            warnings.filterwarnings("ignore", "`ray_remote_args` is deprecated")
            done = data.map(functools.partial(_do, work), compute=tasks, max_retries=options.tries, **more)
    for row in done.iter_rows():
        number, results, entries, problem = pickle.loads(row["done"])
        if problem is not None:
            raise EfficientFanError(problem)
        yield number, results, entries


def _do(work: Work, row: dict[str, Any]) -> dict[str, Any]:
    number, photos = pickle.loads(row["job"])
    try:
        results, entries = work(photos)
    except EfficientFanError as error:
        return {"done": pickle.dumps((number, [], [], str(error)))}
    except Exception as error:
        problem = f"{platform.node()}: a task failed ({type(error).__name__}: {first_line(error)})"
        return {"done": pickle.dumps((number, [], [], problem))}
    return {"done": pickle.dumps((number, results, entries, None))}


class _Actor:
    """A process that keeps its model, and its GPU."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return _do(self._work, row)
