"""`efficientfan batch`: landmarks of the faces in many photos, on a Ray cluster or on this machine."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from efficientfan.cli.options import BackendOption, DeviceOption, PrecisionOption, counted, message_console
from efficientfan.cli.predict import passes_of
from efficientfan.cli.shards import (
    ContentOption,
    ListOption,
    ResumeOption,
    RetryOption,
    ShardOptions,
    ShardSizeOption,
    check_retry,
    photos_of,
)
from efficientfan.cli.terms import print_terms
from efficientfan.errors import InputError

if TYPE_CHECKING:
    from efficientfan.batch import ChunkResult, ShardedRun
    from efficientfan.formats.records import FailedPhoto, Record

__all__ = ["batch_command"]


def batch_command(
    out: Annotated[
        Path, typer.Option(help="Folder of the results, parquet files; a run goes on in it with --resume.")
    ],
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE...",
            help="Photos, folders or quoted globs that all machines see, or URLs of them: s3://, gs://, http(s)://.",
            show_default=False,
        ),
    ] = None,
    listed: ListOption = None,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Search folders inside folders.")
    ] = False,
    address: Annotated[
        str | None,
        typer.Option(
            help="A Ray cluster: its address, or auto for the one that this machine belongs to.",
            show_default="Ray on this machine, for the time of the run",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Most tasks at once.", show_default="as many as there is room for"),
    ] = None,
    cpus: Annotated[int, typer.Option(min=1, help="Processor cores, and threads, of a task.")] = 1,
    gpus: Annotated[
        float, typer.Option(min=0, help="GPUs of a task, such as 0.25; give --device cuda too.")
    ] = 0,
    memory_mb: Annotated[
        int | None, typer.Option(min=1, help="Memory of a task that Ray sets aside.", show_default="none")
    ] = None,
    tries: Annotated[
        int, typer.Option(min=0, help="Times that a task is done again when its process or machine dies.")
    ] = 3,
    resume: ResumeOption = False,
    retry_failed: RetryOption = False,
    by_content: ContentOption = False,
    shard_size: ShardSizeOption = 1000,
    model: Annotated[
        str, typer.Option(help="A packaged model's name, or an .onnx file at the same path on all machines.")
    ] = "default",
    detector: Annotated[str, typer.Option(help="As for `efficientfan predict`.")] = "auto",
    min_score: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Drop found faces with a lower score.", show_default="the model's own"
        ),
    ] = None,
    detect_size: Annotated[int | None, typer.Option(min=32, help="As for `efficientfan predict`.")] = None,
    min_face: Annotated[float | None, typer.Option(min=1, help="Leave out smaller faces, in pixels.")] = None,
    max_faces: Annotated[
        int | None, typer.Option(min=1, help="Keep the largest so many faces of each photo.")
    ] = None,
    thorough: Annotated[
        bool, typer.Option("--thorough", help="Search quarter turns and larger copies too: slow.")
    ] = False,
    passes: Annotated[str, typer.Option(help="Crops of each found face: 1, 2, or auto.")] = "auto",
    pose: Annotated[
        bool, typer.Option("--pose", help="Add the pose of each head, and the openness of eyes and mouth.")
    ] = False,
    backend: BackendOption = None,
    device: DeviceOption = "cpu",
    precision: PrecisionOption = "f32",
    max_pixels: Annotated[
        int, typer.Option(min=1, help="Refuse photos of more pixels, before decoding them.")
    ] = 100_000_000,
) -> None:
    """Find faces and their landmarks in many photos with Ray Data, on a cluster or on all cores of this machine.

    The folder is the one that `efficientfan predict --out FOLDER --format parquet` writes, with the same rows; either
    goes on with the other's run. A photo that cannot be used is a row with the reason, and the exit code is then 1.

    Examples:

        efficientfan batch s3://bucket/photos/ --recursive --out faces

        efficientfan batch --list photos.txt --out faces --address auto --resume
    """
    from efficientfan.batch import (
        ClusterOptions,
        PhotoSettings,
        Work,
        find_remote_photos,
        is_url,
        on_cluster,
        results_on_ray,
    )
    from efficientfan.cli.progress import PhotoProgress
    from efficientfan.formats.records import FailedPhoto
    from efficientfan.predict import Workers
    from efficientfan.predict.output import writes_shards

    if not writes_shards(out, "parquet"):
        raise InputError(f"{out}: is to be a folder of parquet files; give it a name without suffix")
    check_retry(retry_failed, resume)
    console = message_console()
    settings = PhotoSettings(
        model,
        detector,
        backend,
        device,
        precision,
        min_score,
        detect_size,
        min_face,
        max_faces,
        thorough,
        passes_of(passes),
        max_pixels,
        pose,
    )
    given = sources or []
    photos = [
        photo
        for source in given
        if is_url(source)
        for photo in find_remote_photos(source, recursive=recursive)
    ]
    paths = [source for source in given if not is_url(source)]
    if paths or listed is not None or not photos:
        photos += photos_of(paths, listed, recursive=recursive, part=None)
    predictor = settings.open(1, 1)
    spec, info = predictor.spec, settings.info(predictor)
    print_terms(console, spec, getattr(predictor.detector, "spec", None))
    shards = ShardOptions(out, "parquet", shard_size, resume, retry_failed, by_content, None)
    memory = None if memory_mb is None else memory_mb * 1_000_000
    options = ClusterOptions(address, workers, cpus, gpus, memory, tries)
    started, n_faces = time.perf_counter(), 0
    with Workers(4) as lookers, shards.open(info, spec.schema, photos, lookers, console) as run:
        progress = PhotoProgress(console, run.plan.n_photos)
        if run.plan.n_photos:
            with on_cluster(options):
                done = results_on_ray(run.plan.chunks, Work(settings, info, cpus, by_content), options)
                for result in progress.follow(
                    _committed(run, done), failed=lambda each: isinstance(each, FailedPhoto)
                ):
                    if isinstance(result, FailedPhoto):
                        console.print(f"error: {result.reason}")
                    else:
                        n_faces += len(result.faces)
        failed_before = run.plan.n_failed
    seconds = time.perf_counter() - started
    console.print(
        f"{counted(progress.n_done, 'image')}, {counted(n_faces, 'face')}, {progress.n_failed} failed; "
        f"{seconds:.0f} s, {progress.n_done / seconds:.1f} per second"
    )
    if progress.n_failed or failed_before:
        raise typer.Exit(1)


def _committed(run: ShardedRun, done: Iterable[ChunkResult]) -> Iterator[Record | FailedPhoto]:
    """The results of photos, once they are written."""
    for each in done:
        run.commit(each.chunk, each.results, each.entries)
        yield from each.results
