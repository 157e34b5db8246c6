"""`efficientfan predict`: landmarks of the faces in photos."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Column, Table

from efficientfan.cli.options import (
    BackendOption,
    DeviceOption,
    PrecisionOption,
    UntrustedOption,
    message_console,
)
from efficientfan.cli.progress import PhotoProgress
from efficientfan.cli.shards import (
    ContentOption,
    ListOption,
    PartOption,
    ResumeOption,
    RetryOption,
    ShardOptions,
    ShardSizeOption,
    photos_of,
)
from efficientfan.cli.terms import print_terms
from efficientfan.cli.video import EndOption, MaxFramesOption, StartOption, VideoOptions, predict_videos
from efficientfan.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from efficientfan.batch import RunInfo
    from efficientfan.formats.records import RecordWriter
    from efficientfan.predict import LandmarkPredictor
    from efficientfan.predict.many import PhotoFaces, PhotoFailure
    from efficientfan.predict.photos import Photo
    from efficientfan.predict.timing import StageTimes

__all__ = ["passes_of", "predict_command"]

MANY_PHOTOS = 1000
"""From more photos on, a single file of results is advised against."""


def passes_of(text: str) -> Literal["auto", 1, 2]:
    """What --passes says.

    Raises:
        InputError: neither auto nor 1 nor 2.
    """
    if text not in ("auto", "1", "2"):
        raise InputError(f"--passes is auto, 1 or 2, not {text!r}")
    return "auto" if text == "auto" else 1 if text == "1" else 2


def predict_command(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE...",
            show_default=False,
            help="Photos, folders of photos, quoted globs, or - for a list of paths on standard input; or videos: "
            "files, a camera (0, /dev/video0), a URL (rtsp, http), a pattern (frames/%05d.png).",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write results here instead of to standard output: FILE.jsonl, FILE.json, FILE.csv, "
            "FILE.parquet, or a folder for .pts files. A file is complete or absent. With --format parquet or jsonl a "
            "folder: its files appear one by one, and --resume goes on with a run that stopped."
        ),
    ] = None,
    output_format: Annotated[
        str | None,
        typer.Option(
            "--format", help="jsonl, json, csv, parquet, pts or coco; by default that of the suffix of --out."
        ),
    ] = None,
    draw: Annotated[
        Path | None,
        typer.Option(
            help="Also write the photos, with the faces drawn, to this folder; of a video, to this file (.mp4, .mkv, "
            ".mov, .webm)."
        ),
    ] = None,
    pose: Annotated[
        bool,
        typer.Option(
            "--pose",
            help="Add yaw, pitch and roll of each head, in degrees, and the openness of eyes and mouth; jsonl, json "
            "and parquet only.",
        ),
    ] = False,
    boxes: Annotated[
        Path | None,
        typer.Option(
            help="Use these boxes instead of a detector: a .csv file with the columns image, x0, y0, x1, y1 (or one "
            "of --out FILE.csv), or a .json object from each image to its list of boxes. One face per box, none "
            "dropped."
        ),
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            help="A packaged model's name (efficientfan models list), an .onnx file or a checkpoint."
        ),
    ] = "default",
    detector: Annotated[
        str,
        typer.Option(
            help="auto or facefinder (in the package), yunet (efficientfan models fetch yunet), haar, whole (the "
            "photo is the face), or an .onnx detector of efficientfan export."
        ),
    ] = "auto",
    min_score: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Drop found faces with a lower score.",
            show_default="the model's own threshold",
        ),
    ] = None,
    detect_size: Annotated[
        int | None,
        typer.Option(
            min=32,
            help="Longer side, in pixels, of the copy in which faces are looked for: larger finds smaller faces and "
            "takes longer. Without it the detector's own.",
        ),
    ] = None,
    min_face: Annotated[
        float | None,
        typer.Option(
            min=1,
            help="Leave out smaller faces, in pixels; facefinder chooses the copy that it searches by it.",
        ),
    ] = None,
    max_faces: Annotated[
        int | None, typer.Option(min=1, help="Keep the largest so many faces of each photo.")
    ] = None,
    thorough: Annotated[
        bool,
        typer.Option(
            "--thorough", help="Search quarter turns and larger copies too: slow, for archives of scans."
        ),
    ] = False,
    passes: Annotated[
        str,
        typer.Option(
            help="Crops of each found face: 1, 2, or auto: a second one from the landmarks of the first where it "
            "would show something else."
        ),
    ] = "auto",
    batch_size: Annotated[int, typer.Option(min=1, help="Most faces in one run of the network.")] = 16,
    backend: BackendOption = None,
    device: DeviceOption = "cpu",
    precision: PrecisionOption = "f32",
    threads: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Threads in all, spread over the photos; with a single photo, the threads of the network.",
            show_default="all cores",
        ),
    ] = None,
    max_pixels: Annotated[
        int, typer.Option(min=1, help="Refuse photos of more pixels, before decoding them.")
    ] = 100_000_000,
    untrusted: UntrustedOption = False,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Search folders inside folders.")
    ] = False,
    listed: ListOption = None,
    part: PartOption = None,
    resume: ResumeOption = False,
    retry_failed: RetryOption = False,
    shard_size: ShardSizeOption = 1000,
    by_content: ContentOption = False,
    every: Annotated[int, typer.Option(min=1, help="Of videos: take each n-th frame.")] = 1,
    start: StartOption = None,
    end: EndOption = None,
    max_frames: MaxFramesOption = None,
    rate: Annotated[
        float, typer.Option(min=0.001, help="Frames per second of numbered images (frames/%05d.png).")
    ] = 25.0,
    detect_every: Annotated[
        int,
        typer.Option(
            min=1, help="Of videos: frames between searches with the detector, while no face is in doubt."
        ),
    ] = 10,
    smooth: Annotated[
        str, typer.Option(help="Of videos: smooth the landmarks over time: off, light or strong.")
    ] = "off",
    show: Annotated[
        bool, typer.Option("--show", help="Of videos: show them with their faces in a window; q closes it.")
    ] = False,
    timing: Annotated[
        bool,
        typer.Option(
            "--timing", help="Print the time of each stage at the end (with --threads 1 they add up)."
        ),
    ] = False,
) -> None:
    """Find faces and their landmarks; results go to standard output as JSON lines, one object per photo or video frame.

    Points are x, y in image pixels, 0-based, pixel centres at integers; boxes are x0, y0, x1, y1.
    A photo that cannot be read is reported and skipped, and the exit code is then 1; it is 2 for misuse.

    Examples:

        efficientfan predict photo.jpg --draw drawn/

        efficientfan predict holiday/ --recursive --out faces.csv --timing

        efficientfan predict archive/ -r --out results/ --format parquet --resume

        efficientfan predict clip.mp4 --smooth light --draw drawn.mp4 --out faces.jsonl
    """
    from efficientfan.batch import Part
    from efficientfan.formats.records import FailedPhoto, Record
    from efficientfan.imaging import process_settings
    from efficientfan.predict import load
    from efficientfan.predict.backends import backend_class, engine_in_words, engine_note
    from efficientfan.predict.detectors import (
        FaceDetector,
        WholeImageDetector,
        open_detector,
    )
    from efficientfan.predict.given_boxes import read_boxes
    from efficientfan.predict.many import PhotoFailure, Workers, predict_photos, share_threads
    from efficientfan.predict.output import choose_format, open_output, writes_shards
    from efficientfan.predict.timing import UNTIMED, StageTimes
    from efficientfan.video.source import is_video
    from efficientfan.weights import find_model

    sources = sources or []
    format_name = choose_format(out, output_format)
    if pose and format_name not in ("jsonl", "json", "parquet"):
        raise InputError(f"--pose is written to jsonl, json and parquet, not to {format_name}")
    choices = {
        "device": device,
        "precision": precision,
        "min_score": min_score,
        "detect_size": detect_size,
        "min_face": min_face,
        "max_faces": max_faces,
        "thorough": thorough,
        "passes": passes,
        "pose": pose,
    }
    videos = [source for source in sources if is_video(source)]
    if videos:
        if len(videos) < len(sources):
            raise InputError("photos and videos cannot be mixed in one run; run the command once for each")
        for name, given_value in (
            ("boxes", boxes),
            ("timing", timing),
            ("recursive", recursive),
            ("list", listed),
            ("shard", part),
            ("resume", resume),
            ("retry-failed", retry_failed),
            ("by-content", by_content),
            ("untrusted", untrusted),
        ):
            if given_value:
                raise InputError(f"--{name} is for photos, not for videos")
        if writes_shards(out, output_format):
            raise InputError(
                f"{out}: a folder of files is for photos; of videos write one file, such as faces.parquet"
            )
        options = VideoOptions(
            every,
            start,
            end,
            max_frames,
            rate=rate,
            detect_every=detect_every,
            smooth=smooth,
            min_score=min_score,
            pose=pose,
        )
        predictor = load(
            model,
            detector=open_detector(
                detector, threads, detect_size=detect_size, min_face=min_face, thorough=thorough
            ),
            backend=backend,
            device=device,
            precision=precision,
            threads=threads,
            passes=passes_of(passes),
            max_faces=max_faces,
        )
        predict_videos(
            sources,
            predictor,
            options,
            out=out,
            format_name=format_name,
            draw=draw,
            show=show,
            threads=threads,
            run=_run_info(predictor, find_model(model), detector, None, {**choices, **asdict(options)}),
        )
        return
    if show:
        raise InputError("--show is for videos; draw photos into a folder with --draw")

    machine_part = None if part is None else Part.parse(part)
    shards = None
    if out is not None and writes_shards(out, output_format):
        shards = ShardOptions(out, format_name, shard_size, resume, retry_failed, by_content, machine_part)
        if retry_failed and not resume:
            raise InputError("--retry-failed goes with --resume: it does photos of an earlier run once more")
    elif resume or retry_failed or by_content:
        raise InputError(
            "--resume, --retry-failed and --by-content are for many files: --out FOLDER --format parquet (or jsonl)"
        )
    photos = photos_of(sources, listed, recursive=recursive, part=machine_part)
    given = None if boxes is None else read_boxes(boxes)
    times = StageTimes() if timing else UNTIMED
    drawings = _Drawings(draw, photos, times)
    shares = share_threads(threads, len(photos))
    model_file = find_model(model)
    overlap = backend_class(model_file, backend).runs_overlap
    finder: FaceDetector = WholeImageDetector()  # with boxes it is not asked
    if given is None:
        finder = open_detector(
            detector, shares.each, detect_size=detect_size, min_face=min_face, thorough=thorough
        )
    predictor = load(
        model_file,
        detector=finder,
        backend=backend,
        device=device,
        precision=precision,
        threads=shares.each if overlap else threads,  # runs that take turns get all threads
        batch_size=batch_size,
        passes=passes_of(passes),
        max_faces=max_faces,
        times=times,
    )
    spec = predictor.spec
    console = message_console()
    searched = finder.name if given is None else "none, boxes given"
    engine = engine_in_words(predictor.backend)
    console.print(
        f"model: {spec.name} ({spec.schema.name}); {engine}; detector: {searched}; workers: {shares.workers}"
    )
    if note := engine_note(predictor.backend):
        console.print(f"note: {note}")

    print_terms(console, spec, getattr(finder, "spec", None))

    info = _run_info(predictor, model_file, detector, boxes, {**choices, "max_pixels": max_pixels})
    if shards is None and out is not None and out.suffix and len(photos) > MANY_PHOTOS:
        console.print(
            f"note: {out} appears when all {len(photos):,} photos are done, and not at all if the run stops before; "
            "--out FOLDER --format parquet writes as it goes, and can be resumed"
        )

    started, n_faces = time.perf_counter(), 0
    with ExitStack() as stack:
        stack.enter_context(process_settings(shares.workers, shares.each))
        workers = stack.enter_context(Workers(shares.workers))
        n_photos, n_failed_before = len(photos), 0
        to_do: Iterable[Photo] = photos
        ends: frozenset[int] = frozenset()
        writer: RecordWriter
        if shards is None:
            writer = stack.enter_context(
                open_output(out, format_name, spec.schema, photos, run=info.to_dict())
            )
        else:
            run = stack.enter_context(shards.open(info, spec.schema, photos, workers, console))
            n_photos, n_failed_before = run.plan.n_photos, run.plan.n_failed
            writer, to_do, ends = run, run.photos(workers), run.ends
        results = predict_photos(
            predictor,
            to_do,
            given,
            min_score=min_score,
            max_pixels=max_pixels,
            workers=workers,
            untrusted=untrusted,
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
                writer.add(Record(photo, width, height, spec.name, spec.schema, result.faces, pose))
            n_faces += len(result.faces)
    milliseconds = (time.perf_counter() - started) * 1e3
    console.print(
        f"{n_photos} images, {n_faces} faces, {progress.n_failed} failed; {milliseconds:.0f} ms, "
        f"{milliseconds / max(n_photos, 1):.1f} per image"
    )
    if timing:
        _print_times(console, times, max(n_photos, 1), n_faces)
    if progress.n_failed or n_failed_before:
        raise typer.Exit(1)


def _run_info(
    predictor: LandmarkPredictor,
    model_file: Path,
    detector: str,
    boxes: Path | None,
    options: Mapping[str, object],
) -> RunInfo:
    """What the run is made with; `options` are those that decide about the results."""
    from efficientfan.batch import RunInfo, WeightsInfo
    from efficientfan.predict.detectors import detector_file

    finder = predictor.detector.name, detector_file(detector)
    return RunInfo(
        WeightsInfo.of_file(predictor.spec.name, model_file),
        WeightsInfo.of_file(*finder) if boxes is None else WeightsInfo.of_file("boxes", boxes),
        {"backend": predictor.backend.name, **options},
    )


def _print_times(console: Console, times: StageTimes, n_photos: int, n_faces: int) -> None:
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
