"""How much landmarks tremble while a face is still (jitter), and how late they are when it moves (lag)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientfan.errors import InputError
from efficientfan.evaluation.tables import format_table
from efficientfan.evaluation.video.motion import PHASES, RenderedMotion
from efficientfan.predict import LandmarkPredictor
from efficientfan.schema import LandmarkSchema
from efficientfan.video import VideoFrame, track
from efficientfan.video.smoothing import SMOOTHINGS, LandmarkSmoother, face_unit

__all__ = [
    "Steadiness",
    "clip_row",
    "jitter",
    "lag",
    "measure_clip",
    "measure_rendered",
    "rendered_motion",
    "rendered_row",
    "still_frames",
    "steadiness_table",
]

Array = NDArray[Any]

STILL_SPEED = 0.004
"""A face whose center and size, averaged over `STILL_SPAN` frames, change by less a frame, in inter-ocular distances,
is still, if this holds for half that span around it too."""

STILL_SPAN = 9


@dataclass(frozen=True)
class Steadiness:
    """Jitter and lag on one video.

    Attributes:
        video: its name.
        smoothing: name of the setting.
        frames: number of frames in which the face was found.
        still: number of those in which it is still.
        jitter: RMS length of the landmarks' second difference over the still frames, in inter-ocular distances;
            None where none is.
        lag: frames by which the landmarks are late where the face moves; None where it does not.
        error: mean distance from the truth where the face moves, in inter-ocular distances; None without truth.
    """

    video: str
    smoothing: str
    frames: int
    still: int
    jitter: float | None
    lag: float | None
    error: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class _Trail:
    """A face's landmarks over time: (T,) seconds, (T, K, 2) points, (T, K) scores, in consecutive frames."""

    times: Array
    points: Array
    scores: Array
    schema: LandmarkSchema

    @property
    def unit(self) -> float:
        """Median inter-ocular distance in pixels."""
        return float(np.median([face_unit(each, self.schema) for each in self.points]))

    def smoothed(self, name: str) -> Array:
        """(T, K, 2) points with a setting of `SMOOTHINGS`."""
        settings = SMOOTHINGS[name]
        if settings is None:
            return self.points
        smoother = LandmarkSmoother(settings, self.schema)
        return np.array(
            [smoother(*each) for each in zip(self.points, self.scores, self.times.tolist(), strict=True)]
        )


def jitter(points: Array, still: Array, unit: float) -> float | None:
    """RMS length of the second difference p[t+1] - 2 p[t] + p[t-1] where frames t-1, t and t+1 are still.

    Args:
        points: (T, K, 2) pixels.
        still: (T,) bool.
        unit: pixels that the result is divided by.

    Returns:
        The share of `unit`; None where no three frames in a row are still.

    >>> jitter(np.array([[[0.0, 0.0]], [[1.0, 0.0]], [[0.0, 0.0]]]), np.ones(3, bool), unit=10.0)
    0.2
    """
    second = points[2:] - 2 * points[1:-1] + points[:-2]
    chosen = second[still[2:] & still[1:-1] & still[:-2]]
    return float(np.sqrt((chosen**2).sum(axis=-1).mean())) / unit if len(chosen) else None


def lag(points: Array, truth: Callable[[Array], Array], indices: Array) -> float:
    """Frames by which points are late: the shift at which the truth fits them best, apart from a constant offset each.

    Args:
        points: (N, K, 2) pixels, at the frames `indices`.
        truth: (N,) frame numbers, which need not be whole -> (N, K, 2) pixels.
        indices: (N,) frame numbers.

    >>> path = lambda t: np.stack([np.sin(t / 9), t * 0], axis=-1)[:, None]
    >>> times = np.arange(60.0)
    >>> round(lag(path(times - 1.5), path, times), 2)
    1.5
    """
    shifts = np.arange(-3.0, 12.01, 0.1)

    def misfit(shift: float) -> float:
        apart = points - truth(indices - shift)
        return float(((apart - apart.mean(axis=0)) ** 2).sum())

    misfits = np.array([misfit(shift) for shift in shifts])
    best = int(np.clip(misfits.argmin(), 1, len(shifts) - 2))
    before, at, after = misfits[best - 1 : best + 2]
    bend = before - 2 * at + after
    return float(shifts[best] + (0.1 * 0.5 * (before - after) / bend if bend > 0 else 0.0))


def still_frames(points: Array, unit: float) -> Array:
    """(T,) bool: frames in which a face is still, of its (T, K, 2) raw points in pixels."""
    center = points.mean(axis=1)
    size = np.linalg.norm(points - center[:, None], axis=-1).mean(axis=1)
    course = np.column_stack([center, size]) / unit
    if len(course) < STILL_SPAN + 2:
        return np.zeros(len(course), dtype=bool)
    kernel = np.ones(STILL_SPAN) / STILL_SPAN
    calm = np.column_stack([np.convolve(column, kernel, "valid") for column in course.T])
    speed = np.linalg.norm(np.diff(calm, axis=0), axis=1)
    before = (STILL_SPAN + 1) // 2
    still = np.zeros(len(course), dtype=bool)
    still[before : before + len(speed)] = speed < STILL_SPEED
    return np.asarray(np.convolve(still, np.ones(STILL_SPAN, int), "same") == STILL_SPAN)


def measure_rendered(
    predictor: LandmarkPredictor, photo: Array, *, rate: float = 30.0, seconds: float = 2.0, seed: int = 0
) -> list[Steadiness]:
    """Jitter and lag of each smoothing on a photo that is moved, scaled and rolled, with noise.

    The truth is the model's own landmarks of the photo, moved as the photo is: it is exact in the motion.

    Args:
        predictor: model and detector.
        photo: H x W x 3 uint8 RGB with one face; the largest is taken.
        rate: frames per second.
        seconds: of each of the four phases.
        seed: of the noise.

    Raises:
        InputError: no face in the photo, or it is lost in the video.
    """
    motion = rendered_motion(predictor, photo, rate=rate, seconds=seconds, seed=seed)
    trail = _longest_trail(motion.frames(), predictor, "the rendered video")
    if len(trail.times) < motion.n_frames:
        raise InputError(
            f"evaluate-video: the face is lost in {motion.n_frames - len(trail.times)} of {motion.n_frames} frames of "
            "the rendered video; give a photo with a larger, frontal face"
        )
    return [rendered_row(motion, trail.smoothed(name), name) for name in SMOOTHINGS]


def rendered_motion(
    predictor: LandmarkPredictor, photo: Array, *, rate: float = 30.0, seconds: float = 2.0, seed: int = 0
) -> RenderedMotion:
    """The video that `measure_rendered` measures on; arguments as there.

    Raises:
        InputError: no face in the photo.
    """
    faces = predictor(photo)
    if not faces:
        raise InputError("evaluate-video: no face is found in the photo; give another")
    points = faces[0].points.astype(np.float64)
    unit = face_unit(points, faces[0].schema)
    return RenderedMotion(photo, points, unit, rate=rate, seconds=seconds, seed=seed)


def rendered_row(
    motion: RenderedMotion, points: Array, smoothing: str, own: Array | None = None
) -> Steadiness:
    """Jitter, lag and error of landmarks that were found in each frame of a rendered video.

    Args:
        motion: the video.
        points: (T, K, 2) pixels, of all frames.
        smoothing: its name.
        own: (K, 2) the same landmarks of the photo, where they are not those of `motion`.
    """
    unit = motion.unit * motion.scale
    indices = np.arange(motion.n_frames)
    phases = np.array([motion.phase(index) for index in range(motion.n_frames)])
    still = phases == "still"

    def truth(numbers: Array) -> Array:
        return motion.truth(numbers, own)

    lags = [
        lag(points[phases == phase], truth, indices[phases == phase].astype(np.float64))
        for phase in PHASES[1:]
    ]
    error = float(np.linalg.norm(points - truth(indices), axis=-1)[~still].mean()) / unit
    steady = jitter(points, still, unit)
    return Steadiness("rendered", smoothing, len(indices), int(still.sum()), steady, max(lags), error)


def measure_clip(predictor: LandmarkPredictor, frames: Iterable[VideoFrame], name: str) -> list[Steadiness]:
    """Jitter and lag of each smoothing on a real video without truth; the lag is that of the face's center behind raw.

    Raises:
        InputError: no face is found.
    """
    trail = _longest_trail(frames, predictor, name)
    return [clip_row(name, trail.points, trail.smoothed(each), trail.unit, each) for each in SMOOTHINGS]


def clip_row(video: str, raw: Array, points: Array, unit: float, smoothing: str) -> Steadiness:
    """Jitter and lag of landmarks in a real video, whose raw ones say when the face is still and where its center is.

    Args:
        video: its name.
        raw, points: (T, K, 2) pixels, in consecutive frames.
        unit: inter-ocular distance in pixels.
        smoothing: its name.
    """
    still = still_frames(raw, unit)
    moving = np.flatnonzero(~still)
    moving = moving[(moving > 12) & (moving < len(still) - 4)]
    late = None
    if len(moving) > 20:
        center = points.mean(axis=1, keepdims=True)
        path = _path(raw.mean(axis=1, keepdims=True))
        late = lag(center[moving], path, moving.astype(np.float64))
    return Steadiness(video, smoothing, len(still), int(still.sum()), jitter(points, still, unit), late)


def steadiness_table(rows: Sequence[Steadiness]) -> str:
    """A text table, a row for each video and smoothing."""
    header = [
        "video",
        "smoothing",
        "frames",
        "still",
        "jitter (% of inter-ocular)",
        "of raw",
        "lag (frames)",
        "error (%)",
    ]
    raw = {row.video: row.jitter for row in rows if row.smoothing == "off"}
    return format_table(
        header,
        [
            [
                row.video,
                row.smoothing,
                str(row.frames),
                str(row.still),
                "-" if row.jitter is None else f"{100 * row.jitter:.3f}",
                _share(row.jitter, raw.get(row.video)),
                "-" if row.lag is None else f"{row.lag:.2f}",
                "-" if row.error is None else f"{100 * row.error:.2f}",
            ]
            for row in rows
        ],
    )


def _share(value: float | None, whole: float | None) -> str:
    return "-" if value is None or not whole else f"{value / whole:.2f}"


def _longest_trail(frames: Iterable[VideoFrame], predictor: LandmarkPredictor, name: str) -> _Trail:
    """The landmarks of the face that is seen in the most frames, without smoothing."""
    seen: dict[int, list[tuple[float, Array, Array]]] = {}
    for frame in track(frames, predictor):
        for face in frame.faces:
            if face.track_id is not None:
                own = seen.setdefault(face.track_id, [])
                own.append((frame.time, face.points.astype(np.float64), face.scores))
    if not seen:
        raise InputError(f"{name}: no face is found in it")
    longest = max(seen.values(), key=len)
    times, points, scores = map(np.array, zip(*longest, strict=True))
    return _Trail(times, points, scores, predictor.spec.schema)


def _path(points: Array) -> Callable[[Array], Array]:
    """(T, K, 2) points at frame numbers that need not be whole, between neighbors on a straight line."""

    def at(indices: Array) -> Array:
        low = np.clip(np.floor(indices).astype(int), 0, len(points) - 2)
        share = (indices - low)[:, None, None]
        return np.asarray((1 - share) * points[low] + share * points[low + 1])

    return at
