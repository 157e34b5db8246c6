"""What `predict` does with photos; `cli/video.py` has the same for videos."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from efficientfan.cli.options import counted, message_console, say_what_is_used
from efficientfan.cli.progress import PhotoProgress
from efficientfan.cli.shards import ShardOptions
from efficientfan.errors import printable

if TYPE_CHECKING:
    from rich.console import Console

    from efficientfan.batch import PhotoSettings
    from efficientfan.formats.records import RecordWriter
    from efficientfan.predict.many import PhotoFaces, PhotoFailure
    from efficientfan.predict.photos import Photo
    from efficientfan.predict.timing import StageTimes

__all__ = ["PhotoOptions", "predict_photo_files"]

NAMED_PHOTOS = 10
"""So many photos without a face are named; the last line counts them all."""
MANY_PHOTOS = 1000
"""From more photos on, a single file of results is advised against."""


@dataclass(frozen=True)
class PhotoOptions:
    """The options of `predict` for photos, except those that decide about the results.

    Attributes:
        out: the file or folder of results; None is standard output.
        format_name: of `choose_format`.
        draw: folder of the drawn photos.
        boxes: file of given boxes, see `read_boxes`.
        threads: in all; None takes all cores.
        batch_size: most faces in one run of the network.
        untrusted: decode in child processes.
        timing: print the time of each stage.
    """

    out: Path | None
    format_name: str
    draw: Path | None
    boxes: Path | None
    threads: int | None
    batch_size: int
    untrusted: bool
    timing: bool


def predict_photo_files(
    photos: Sequence[Photo], settings: PhotoSettings, options: PhotoOptions, shards: ShardOptions | None
) -> None:
    """Landmarks of photos, as records; messages on standard error.

    Args:
        photos: what to look at.
        settings: how.
        options: where the results go.
        shards: how they are written as shards; None writes one file, or a folder of `.pts` files.

    Raises:
        InputError: a model, an option or a place that cannot be used.
        typer.Exit: with code 1 where a photo could not be used.
    """
    from efficientfan.formats.records import FailedPhoto, Record
    from efficientfan.imaging import process_settings
    from efficientfan.predict.backends import backend_class
    from efficientfan.predict.detectors import WholeImageDetector
    from efficientfan.predict.given_boxes import read_boxes
    from efficientfan.predict.many import PhotoFailure, Workers, predict_photos, share_threads
    from efficientfan.predict.output import open_output
    from efficientfan.predict.timing import UNTIMED, StageTimes
    from efficientfan.weights import find_model

    out = options.out
    given = None if options.boxes is None else read_boxes(options.boxes)
    times = StageTimes() if options.timing else UNTIMED
    drawings = _Drawings(options.draw, photos, times)
    shares = share_threads(options.threads, len(photos))
    overlap = backend_class(find_model(settings.model), settings.backend).runs_overlap
    predictor = settings.open(
        shares.each,
        shares.each if overlap else options.threads,  # runs that take turns, and streams, get all threads
        finder=None if given is None else WholeImageDetector(),  # with boxes it is not asked
        batch_size=options.batch_size,
        times=times,
        streams=shares.workers,
    )
    spec = predictor.spec
    console = message_console()
    say_what_is_used(
        console,
        predictor,
        f"{predictor.detector.name if given is None else 'none, boxes given'}; workers: {shares.workers}",
    )
    info = settings.info(predictor, options.boxes)
    if shards is None and out is not None and out.suffix and len(photos) > MANY_PHOTOS:
        console.print(
            f"note: {out} appears when all {len(photos):,} photos are done, and not at all if the run stops before; "
            "--out FOLDER --format parquet writes as it goes, and can be resumed"
        )

    started, n_faces, n_empty = time.perf_counter(), 0, 0
    with ExitStack() as stack:
        stack.enter_context(process_settings(shares.workers, shares.each))
        workers = stack.enter_context(Workers(shares.workers))
        n_photos, n_failed_before = len(photos), 0
        to_do: Iterable[Photo] = photos
        ends: frozenset[int] = frozenset()
        writer: RecordWriter
        if shards is None:
            writer = stack.enter_context(
                open_output(out, options.format_name, spec.schema, photos, run=info.to_dict())
            )
        else:
            run = stack.enter_context(shards.open(info, spec.schema, photos, workers, console))
            n_photos, n_failed_before = run.plan.n_photos, run.plan.n_failed
            writer, to_do, ends = run, run.photos(workers), run.ends
        results = predict_photos(
            predictor,
            to_do,
            given,
            min_score=settings.min_score,
            max_pixels=settings.max_pixels,
            workers=workers,
            untrusted=options.untrusted,
            ends=ends,
        )
        progress = PhotoProgress(console, n_photos)
        drawn = workers.map(drawings.add, results)
        for result in progress.follow(drawn, failed=lambda each: isinstance(each, PhotoFailure)):
            if isinstance(result, PhotoFailure):
                console.print(f"error: {result.reason}")
                writer.fail(FailedPhoto(result.photo.path, result.reason))
                continue
            height, width = result.image.shape[:2]
            with times.measure("write"):
                photo = result.photo.path
                writer.add(Record(photo, width, height, spec.name, spec.schema, result.faces, settings.pose))
            n_faces += len(result.faces)
            if not result.faces:
                n_empty += 1
                if n_empty <= NAMED_PHOTOS:
                    console.print(f"{printable(photo)}: no face found")
    milliseconds = (time.perf_counter() - started) * 1e3
    console.print(
        f"{counted(n_photos, 'image')}, {counted(n_faces, 'face')}, {progress.n_failed} failed; {milliseconds:.0f} ms, "
        f"{milliseconds / max(n_photos, 1):.1f} per image"
        + (f"; {n_empty} without a face" if n_empty else "")
    )
    if options.timing:
        _print_times(console, times, max(n_photos, 1), n_faces)
    if progress.n_failed or n_failed_before:
        raise typer.Exit(1)


def _print_times(console: Console, times: StageTimes, n_photos: int, n_faces: int) -> None:
    from rich.table import Column, Table

    from efficientfan.predict.timing import STAGES

    table = Table(
        "stage", *(Column(name, justify="right") for name in ("s", "share", "ms/photo", "ms/face")), ""
    )
    for row in times.rows(n_photos, n_faces):
        per = (f"{row.photo_ms:.2f}", f"{row.face_ms:.2f}")
        table.add_row(row.stage, f"{row.seconds:.3f}", f"{row.share:.1%}", *per, STAGES[row.stage])
    console.print(table)


class _Drawings:
    """Writes photos with their faces drawn to `folder`; nothing if that is None."""

    def __init__(self, folder: Path | None, photos: Sequence[Photo], times: StageTimes) -> None:
        from efficientfan.predict.output import check_folder
        from efficientfan.predict.photos import result_paths

        self._times = times
        self._targets: Mapping[str, Path] = {}
        if folder is not None:
            check_folder(folder)
            self._targets = result_paths(photos, folder, {".jpg": ".jpg", ".jpeg": ".jpg"}, ".png")

    def add(self, result: PhotoFaces | PhotoFailure) -> PhotoFaces | PhotoFailure:
        """Draw and write the photo of a result, and return the result. Several threads call it."""
        from efficientfan.draw import draw_faces
        from efficientfan.imaging import write_image
        from efficientfan.predict.many import PhotoFaces

        if self._targets and isinstance(result, PhotoFaces):
            with self._times.measure("draw"):
                picture = draw_faces(result.image, result.faces)
            with self._times.measure("write"):
                write_image(self._targets[result.photo.path], picture)
        return result
