"""`efficientfan evaluate-video`: how much landmarks tremble in videos, and how late smoothing makes them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from efficientfan.cli.options import BackendOption, DeviceOption, PrecisionOption, ThreadsOption
from efficientfan.cli.video import EndOption, MaxFramesOption, StartOption, VideoOptions, tell_of
from efficientfan.errors import InputError

__all__ = ["evaluate_video_command"]


def evaluate_video_command(
    clips: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[VIDEO]...", help="Videos of one talking face, without truth.", show_default=False
        ),
    ] = None,
    photo: Annotated[
        Path | None,
        typer.Option(help="A photo of a face, to be moved, scaled and rolled: the truth is known."),
    ] = None,
    frame_rate: Annotated[
        float, typer.Option(min=5, max=240, help="Frames per second of the rendered motion.")
    ] = 30.0,
    model: Annotated[
        str, typer.Option(help="A packaged model's name, an .onnx file or a checkpoint.")
    ] = "default",
    detector: Annotated[
        str, typer.Option(help="auto, facefinder, yunet, haar or an .onnx detector.")
    ] = "auto",
    start: StartOption = None,
    end: EndOption = None,
    max_frames: MaxFramesOption = None,
    backend: BackendOption = None,
    device: DeviceOption = "cpu",
    precision: PrecisionOption = "f32",
    threads: ThreadsOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the rendered noise.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Also write the figures to this .json file.")] = None,
) -> None:
    """Measure jitter and lag of the landmarks, raw and with each smoothing.

    Jitter is the RMS second difference of the landmarks while the face is still, in percent of the inter-ocular
    distance. Lag is the number of frames by which they are late while it moves: behind the truth on rendered motion
    (the largest of sideways, scale and roll), behind the raw landmarks on real videos.

    Example: efficientfan evaluate-video --photo portrait.jpg clip.mp4
    """
    from efficientfan.evaluation.video.steadiness import measure_clip, measure_rendered, steadiness_table
    from efficientfan.files import write_json
    from efficientfan.imaging import read_rgb
    from efficientfan.predict import load

    if photo is None and not clips:
        raise InputError("evaluate-video: give --photo, videos, or both")
    predictor = load(
        model, detector=detector, backend=backend, device=device, precision=precision, threads=threads
    )
    rows = []
    if photo is not None:
        rows += measure_rendered(predictor, read_rgb(photo), rate=frame_rate, seed=seed)
    for clip in clips or []:
        with VideoOptions(start=start, end=end, max_frames=max_frames).open(clip) as video:
            rows += measure_clip(predictor, video, Path(clip).name)
            tell_of(video)
    typer.echo(steadiness_table(rows))
    if out is not None:
        write_json(out, {"model": predictor.spec.name, "rows": [row.to_dict() for row in rows]})
