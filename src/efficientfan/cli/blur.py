"""`efficientfan blur`: faces of a video made unrecognizable."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from efficientfan.cli.options import (
    BackendOption,
    DeviceOption,
    PrecisionOption,
    ThreadsOption,
    message_console,
)
from efficientfan.cli.video import EndOption, MaxFramesOption, Run, StartOption, VideoOptions, tell_of
from efficientfan.errors import InputError

__all__ = ["blur_command"]

_EAGER = 0.5
"""Faces are taken to be such from this share of the model's threshold on: rather a false alarm than a missed face."""

_DETECT_EVERY = 3
_KEEP = 2.0


def blur_command(
    source: Annotated[
        str, typer.Argument(metavar="VIDEO", help="A video file, or a numbered pattern of images.")
    ],
    out: Annotated[
        Path, typer.Option(help="The video to write: .mp4, .mkv, .mov or .webm.", show_default=False)
    ],
    how: Annotated[str, typer.Option(help="blur, mosaic or fill.")] = "blur",
    margin: Annotated[
        float, typer.Option(min=0, help="Share of a face's size that is hidden around it on each side.")
    ] = 0.4,
    hold: Annotated[
        int,
        typer.Option(
            min=0,
            help="Frames for which a face's place is hidden before it is first and after it is last seen.",
        ),
    ] = 8,
    model: Annotated[
        str, typer.Option(help="A packaged model's name, an .onnx file or a checkpoint.")
    ] = "default",
    detector: Annotated[
        str, typer.Option(help="auto, facefinder, yunet, haar or an .onnx detector.")
    ] = "auto",
    detect_size: Annotated[
        int | None,
        typer.Option(
            min=32,
            help="Longer side, in pixels, of the copy in which faces are looked for: larger finds smaller faces.",
        ),
    ] = None,
    rate: Annotated[
        float, typer.Option("--rate", min=0.001, help="Frames per second of numbered images.")
    ] = 25.0,
    start: StartOption = None,
    end: EndOption = None,
    max_frames: MaxFramesOption = None,
    backend: BackendOption = None,
    device: DeviceOption = "cpu",
    precision: PrecisionOption = "f32",
    threads: ThreadsOption = None,
) -> None:
    """Hide all faces of a video; the sound is kept. The video is read twice: faces are found, then hidden.

    A face that is lost for up to two seconds is hidden all along. At the end it is said in how many frames no face was
    found: look at these.

    Example: efficientfan blur clip.mp4 --out hidden.mp4 --how mosaic
    """
    from efficientfan.predict import load, open_detector
    from efficientfan.video import track
    from efficientfan.video.hiding import HidingPlan, check_hiding, hide
    from efficientfan.video.writer import check_video_path, write_video

    way = check_hiding(how)
    check_video_path(out)
    if out.exists() and Path(source).exists() and out.samefile(source):
        raise InputError(f"{out}: is the video itself and would be replaced; choose another place")
    options = VideoOptions(start=start, end=end, max_frames=max_frames, rate=rate)
    plan = HidingPlan(margin=margin, hold=hold)
    with options.open(source) as video:
        if video.live:
            raise InputError(f"{source}: is live; blur reads a video twice, so record it first")
        predictor = load(
            model,
            detector=open_detector(detector, threads, detect_size=detect_size),
            backend=backend,
            device=device,
            precision=precision,
            threads=threads,
        )
        frames = track(
            video,
            predictor,
            detect_every=_DETECT_EVERY,
            keep=_KEEP,
            min_score=_EAGER * predictor.spec.score_threshold,
        )
        search = Run(frames, video.expected, "finding faces")
        for frame in search:
            plan.add(frame)
        tell_of(video)
    if search.interrupted:
        raise typer.Exit(130)  # nothing is written: not all faces are known
    console = message_console()
    with options.open(source) as video, write_video(out, rate=video.rate, audio_of=video.sound) as film:
        hiding = Run(video, plan.n_frames, "hiding faces")
        for index, time, image in hiding:
            film.add(hide(image, plan.boxes(index), way), time)
        if film.note:
            console.print(f"note: {film.note}")
    console.print(
        f"{out}: {hiding.n_frames} frames; in {plan.n_without} of them no face was found, and in {plan.n_bare} "
        "nothing is hidden"
    )
    if hiding.interrupted:
        raise typer.Exit(130)
