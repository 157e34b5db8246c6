"""What the commands that read video share, and `predict` of videos."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from efficientfan.cli.options import message_console, say_what_is_used
from efficientfan.errors import InputError, printable

if TYPE_CHECKING:
    from efficientfan.batch import PhotoSettings
    from efficientfan.formats.records import Record
    from efficientfan.predict import LandmarkPredictor
    from efficientfan.video import Video
    from efficientfan.video.window import Window

__all__ = [
    "EndOption",
    "MaxFramesOption",
    "Run",
    "StartOption",
    "VideoOptions",
    "predict_videos",
    "seconds_of",
    "tell_of",
]

Item = TypeVar("Item")

StartOption = Annotated[
    str | None, typer.Option("--start", metavar="TIME", help="Of videos: begin at 90, 1:30 or 0:01:30.")
]
EndOption = Annotated[str | None, typer.Option("--end", metavar="TIME", help="Of videos: end at this time.")]
MaxFramesOption = Annotated[
    int | None, typer.Option("--max-frames", min=1, help="Of videos: take at most so many frames.")
]


@dataclass(frozen=True)
class VideoOptions:
    """The options of `predict` for videos.

    Attributes:
        every, max_frames, rate: see `open_video`; `rate` of image sequences.
        start, end: times, as `seconds_of` reads them.
        timeout, retries: see `open_video`; of cameras and network streams.
        detect_every, smooth, min_score: see `FaceTracker`.
        pose: whether records have the pose and the openness of each face.
    """

    every: int = 1
    start: str | None = None
    end: str | None = None
    max_frames: int | None = None
    rate: float = 25.0
    timeout: float = 10.0
    retries: int = 3
    detect_every: int = 10
    smooth: str = "off"
    min_score: float | None = None
    pose: bool = False

    def open(self, source: str) -> Video:
        """See `open_video`."""
        from efficientfan.video import open_video

        return open_video(
            source,
            every=self.every,
            start=seconds_of(self.start, "start") or 0.0,
            end=seconds_of(self.end, "end"),
            max_frames=self.max_frames,
            rate=self.rate,
            timeout=self.timeout,
            retries=self.retries,
        )


def predict_videos(
    sources: list[str],
    settings: PhotoSettings,
    options: VideoOptions,
    *,
    out: Path | None,
    format_name: str,
    draw: Path | None,
    show: bool,
    threads: int | None,
) -> None:
    """Landmarks of videos, one after the other, as records of their frames; messages on standard error.

    Raises:
        InputError: the first source, or a place, that cannot be used.
        typer.Exit: with code 130 after Ctrl-C, when all is written; with code 1 where a later source cannot be used.
    """
    from efficientfan.imaging import process_settings
    from efficientfan.predict.many import usable_cores
    from efficientfan.predict.output import open_output
    from efficientfan.video.smoothing import smoothing_named
    from efficientfan.video.window import open_window

    if format_name not in ("jsonl", "json", "csv", "parquet"):
        raise InputError(
            f"format {format_name!r} is for photos; of videos jsonl, json, csv and parquet are written"
        )
    smoothing_named(options.smooth)  # an unknown name is said before any work
    predictor = settings.open(threads, threads)
    info = settings.info(predictor)
    run = replace(info, options={**info.options, **asdict(options)})
    drawings = _drawing_paths(sources, draw)
    console = message_console()
    interrupted = failed = False
    with ExitStack() as stack:
        stack.enter_context(process_settings(1, threads or usable_cores()))
        video = options.open(sources[0])  # before any file is made
        window = stack.enter_context(open_window(video.name)) if show else None
        writer = stack.enter_context(
            open_output(out, format_name, predictor.spec.schema, video=True, run=run.to_dict())
        )
        say_what_is_used(console, predictor, predictor.detector.name)
        for number, source in enumerate(sources):
            if number:
                try:
                    video = options.open(source)
                except InputError as error:
                    console.print(f"error: {printable(str(error))}")
                    failed = True
                    continue
            with video:
                interrupted = _predict_video(
                    video, predictor, options, writer.add, drawings.get(source), window
                )
            if interrupted or (window is not None and window.closed):
                break
    if interrupted or failed:
        raise typer.Exit(130 if interrupted else 1)


def _predict_video(
    video: Video,
    predictor: LandmarkPredictor,
    options: VideoOptions,
    write: Callable[[Record], None],
    drawing: Path | None,
    window: Window | None,
) -> bool:
    """One video; returns whether it was interrupted."""
    from efficientfan.draw import draw_faces
    from efficientfan.formats.records import Record
    from efficientfan.video import track
    from efficientfan.video.writer import write_video

    spec = predictor.spec
    n_faces = n_found = 0
    ids: set[int | None] = set()
    delays = 0.0
    told = 0
    with ExitStack() as stack:
        film = None
        if drawing is not None:
            rate = None if video.rate is None else video.rate / options.every
            film = stack.enter_context(write_video(drawing, rate=rate, audio_of=video.sound))
        frames = track(
            video,
            predictor,
            detect_every=options.detect_every,
            smooth=options.smooth,
            min_score=options.min_score,
        )
        run = Run(frames, video.expected, video.name, stop=video.stop)
        for frame in run:
            height, width = frame.image.shape[:2]
            faces = frame.faces
            record = Record(video.name, width, height, spec.name, spec.schema, faces, pose=options.pose)
            write(replace(record, frame=frame.index, time=frame.time))
            if film is not None or window is not None:
                picture = draw_faces(frame.image, frame.faces, boxes=False)
            if film is not None:
                film.add(picture, frame.time)
            if window is not None:
                window.show(picture)
                run.ended = window.closed
            n_faces, n_found = n_faces + len(frame.faces), n_found + bool(frame.faces)
            ids |= {face.track_id for face in frame.faces}
            if video.started is not None:
                delays += time.perf_counter() - video.started - frame.time
            told = tell_of(video, told)
        if film is not None and film.note:
            message_console().print(film.note)
    tell_of(video, told)
    console = message_console()
    console.print(
        f"{video.name}: {run.n_frames} frames, {n_faces} faces of {len(ids)} tracks, {run.n_frames - n_found} frames "
        f"without a face; {run.seconds:.1f} s, {run.n_frames / max(run.seconds, 1e-9):.1f} frames/s"
    )
    if video.live:
        delay = 1e3 * delays / max(1, run.n_frames)
        console.print(f"{video.name}: {video.dropped} frames dropped; delay {delay:.0f} ms on average")
    return run.interrupted


def _drawing_paths(sources: list[str], draw: Path | None) -> dict[str, Path]:
    """The drawn video of each source: `draw` itself, or of several sources a file in that folder.

    Raises:
        InputError: it cannot be written, or would replace its source.
    """
    if draw is None:
        return {}
    from efficientfan.predict.output import check_folder
    from efficientfan.video.writer import check_video_path

    if len(sources) == 1 and draw.suffix and not draw.is_dir():
        paths = {sources[0]: draw}
    else:
        check_folder(draw)
        paths = {source: draw / f"{Path(source).stem or 'video'}.mp4" for source in sources}
    if len(set(paths.values())) < len(sources):
        raise InputError(
            f"{draw}: two of the videos would be drawn to the same file; draw them one at a time"
        )
    for source, path in paths.items():
        check_video_path(path)
        if path.exists() and Path(source).exists() and path.samefile(source):
            raise InputError(f"{path}: is the video itself and would be replaced; choose another place")
    return paths


class Run(Iterable[Item]):
    """Items with a progress bar, until they end or the user presses Ctrl-C; the item in work is finished then.

    A second Ctrl-C stops at once.

    Args:
        items, total: what is iterated over, and how many there are, or None.
        what: for the bar and the message.
        stop: called with Ctrl-C, so that a source that would let wait for the next item ends.

    Attributes:
        n_frames: items so far.
        seconds: that they took.
        interrupted: whether Ctrl-C ended them.
        ended: set it, and the present item is the last.
    """

    def __init__(
        self, items: Iterable[Item], total: int | None, what: str, stop: Callable[[], None] | None = None
    ) -> None:
        self._items = items
        self._total = total
        self._what = what
        self._stop = stop
        self.n_frames = 0
        self.seconds = 0.0
        self.interrupted = self.ended = False

    def __iter__(self) -> Iterator[Item]:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        console = message_console()
        progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed} frames, {task.fields[speed]:.1f} frames/s"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        started = time.perf_counter()
        with progress, self._noticing_interrupts():
            bar = progress.add_task(self._what, total=self._total, speed=0.0)
            for item in self._items:
                yield item
                self.n_frames += 1
                self.seconds = time.perf_counter() - started
                progress.update(bar, advance=1, speed=self.n_frames / self.seconds)
                if self.interrupted or self.ended:
                    break
            if self.interrupted:
                console.print(f"{self._what}: interrupted; what was done is written")

    @contextmanager
    def _noticing_interrupts(self) -> Iterator[None]:
        def notice(*_: object) -> None:
            self.interrupted = True
            signal.signal(signal.SIGINT, signal.default_int_handler)
            if self._stop is not None:
                self._stop()

        before = signal.signal(signal.SIGINT, notice)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


def tell_of(video: Video, told: int = 0) -> int:
    """Print what a source has said of itself, after the first `told` lines; how many lines these are by now."""
    lines = video.complaints[told:]
    for line in lines:
        message_console().print(f"note: {line}")
    return told + len(lines)


def seconds_of(text: str | None, name: str) -> float | None:
    """A time on the command line: "90", "1:30" or "0:01:30.5" -> seconds.

    Raises:
        InputError: not a time.
    """
    if text is None:
        return None
    try:
        parts = [float(part) for part in text.split(":")]
    except ValueError:
        parts = []
    if not 1 <= len(parts) <= 3 or any(not 0 <= part < float("inf") for part in parts):
        raise InputError(f"--{name} is a time such as 90, 1:30 or 0:01:30, not {text!r}")
    return sum(part * (1.0, 60.0, 3600.0)[power] for power, part in enumerate(reversed(parts)))
