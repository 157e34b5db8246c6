"""`efficientfan predict`: landmarks of the faces in photos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from efficientfan.cli.options import (
    BackendOption,
    DeviceOption,
    PrecisionOption,
    UntrustedOption,
    refuse_options,
)
from efficientfan.cli.photos import PhotoOptions, predict_photo_files
from efficientfan.cli.shards import (
    ContentOption,
    ListOption,
    PartOption,
    ResumeOption,
    RetryOption,
    ShardOptions,
    ShardSizeOption,
    check_retry,
    photos_of,
)
from efficientfan.cli.starting import starting
from efficientfan.cli.video import EndOption, MaxFramesOption, StartOption, VideoOptions, predict_videos
from efficientfan.errors import InputError

__all__ = ["passes_of", "predict_command"]

_VIDEOS_ONLY = ("every", "start", "end", "max_frames", "rate", "timeout", "retries", "detect_every", "smooth")


def passes_of(text: str) -> Literal["auto", 1, 2]:
    """What --passes says.

    Raises:
        InputError: neither auto nor 1 nor 2.
    """
    if text not in ("auto", "1", "2"):
        raise InputError(f"--passes is auto, 1 or 2, not {text!r}")
    return "auto" if text == "auto" else 1 if text == "1" else 2


def predict_command(
    context: typer.Context,
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
    batch_size: Annotated[int, typer.Option(min=1, help="Most faces in one run of the network.")] = 8,
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
    timeout: Annotated[
        float,
        typer.Option(
            min=0.1,
            help="Of cameras and network streams: seconds without a frame, or without an answer of the server, after "
            "which they are opened again.",
        ),
    ] = 10.0,
    retries: Annotated[
        int,
        typer.Option(
            min=0, help="... and so many attempts in a row may fail; then the run ends with what it has."
        ),
    ] = 3,
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

    Points are x, y in image pixels, 0-based, pixel centers at integers; boxes are x0, y0, x1, y1.
    A photo that cannot be read is reported and skipped, and the exit code is then 1; it is 2 for misuse.

    Examples:

        efficientfan predict photo.jpg --draw drawn/

        efficientfan predict holiday/ --recursive --out faces.csv --timing

        efficientfan predict archive/ -r --out results/ --format parquet --resume

        efficientfan predict clip.mp4 --smooth light --draw drawn.mp4 --out faces.jsonl
    """
    with starting():
        from efficientfan.batch import Part, PhotoSettings, is_url
        from efficientfan.predict.output import choose_format, writes_shards
        from efficientfan.video.source import is_video

    sources = sources or []
    format_name = choose_format(out, output_format)
    if pose and format_name not in ("jsonl", "json", "parquet"):
        raise InputError(f"--pose is written to jsonl, json and parquet, not to {format_name}")
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
            timeout=timeout,
            retries=retries,
            detect_every=detect_every,
            smooth=smooth,
            min_score=min_score,
            pose=pose,
        )
        predict_videos(
            sources,
            settings,
            options,
            out=out,
            format_name=format_name,
            draw=draw,
            show=show,
            threads=threads,
        )
        return
    if show:
        raise InputError("--show is for videos; draw photos into a folder with --draw")
    refuse_options(
        context,
        _VIDEOS_ONLY,
        "is for videos; for the frames of one, give a pattern such as frames/%05d.png, not a folder",
    )

    machine_part = None if part is None else Part.parse(part)
    shards = None
    if out is not None and writes_shards(out, output_format):
        shards = ShardOptions(out, format_name, shard_size, resume, retry_failed, by_content, machine_part)
        check_retry(retry_failed, resume)
    elif resume or retry_failed or by_content:
        raise InputError(
            "--resume, --retry-failed and --by-content are for many files: --out FOLDER --format parquet (or jsonl)"
        )
    photos = photos_of(sources, listed, recursive=recursive, part=machine_part)
    url = next((photo.path for photo in photos if is_url(photo.path)), None)
    if url is not None:
        raise InputError(f"{url}: photos of URLs are for `efficientfan batch`")
    predict_photo_files(
        photos,
        settings,
        PhotoOptions(out, format_name, draw, boxes, threads, batch_size, untrusted, timing),
        shards,
    )
