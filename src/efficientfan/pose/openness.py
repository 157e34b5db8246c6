"""How far eyes and mouth are open, and blinks in a series of that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efficientfan.errors import InputError
from efficientfan.pose.head_pose import Pose, head_pose
from efficientfan.structures import Face

__all__ = ["Blink", "blinks", "describe", "eye_openness", "mouth_openness"]

Array = NDArray[Any]

LEAST_SEEN = 0.35
"""Of a line that the turn of the head shortens to less than this share, the length is not known."""

_EYE_MM = (27.0, -2.0, 8.0)
"""From the inner to the outer corner of the left eye, in the axes of `head_shape`."""


def eye_openness(face: Face, pose: Pose | None = None) -> tuple[float, float]:
    """How far the person's right and left eye are open: mean distance of the lids by the distance of the eye's corners.

    0 is shut, 0.25 to 0.35 usual, 0.5 wide open. This is the eye aspect ratio of Soukupova and Cech (CVWW 2016), with
    the shortening of both distances by the turn of the head undone. NaN for an eye that is turned away too far, or of
    which a landmark is covered or turned away (`Face.unseen`). Models that have seen few shut eyes read them higher
    (docs/faces.md).

    Args:
        face: of a schema with eyelids: ibug68, wflw98, lapa106, cofw29.
        pose: of the face, if it is known already.

    Raises:
        InputError: a schema without eyelids, or landmarks that no pose can be found from.
    """
    names = face.schema.landmarks
    lids = [name for name in names if name.startswith("right_eye_top")]
    if not lids or "right_eye_outer_corner" not in names:
        raise InputError(f"schema {face.schema.name!r} has no eyelids")
    pose = head_pose(face) if pose is None else pose
    width = np.array(_EYE_MM)
    eyes = []
    for side, mirror in (("right", -1), ("left", 1)):
        pairs = [
            (lid.replace("right", side, 1), lid.replace("right", side, 1).replace("top", "bottom"))
            for lid in lids
        ]
        corners = f"{side}_eye_inner_corner", f"{side}_eye_outer_corner"
        eyes.append(_openness(face, pose, pairs, corners, width * [mirror, 1, 1]))
    return eyes[0], eyes[1]


def mouth_openness(face: Face, pose: Pose | None = None) -> float:
    """How far the mouth is open: mean distance of the inner edges of the lips by the distance of the mouth's corners.

    0 is shut, about 0.3 in speech, 1 and more a yawn. The shortening of both distances by the turn of the head is
    undone. NaN for a mouth that is turned away too far, or of which a landmark is covered or turned away
    (`Face.unseen`).

    Args:
        face: of a schema with the inner edges of the lips: ibug68, wflw98, lapa106, cofw29.
        pose: of the face, if it is known already.

    Raises:
        InputError: a schema without the inner edges of the lips, or landmarks that no pose can be found from.
    """
    names = face.schema.landmarks
    if "inner_lip_0" in names:
        pairs = [
            ("inner_lip_1", "inner_lip_7"),
            ("inner_lip_2", "inner_lip_6"),
            ("inner_lip_3", "inner_lip_5"),
        ]
        corners = "inner_lip_0", "inner_lip_4"
    elif "upper_lip_bottom" in names:
        pairs, corners = [("upper_lip_bottom", "lower_lip_top")], ("right_mouth_corner", "left_mouth_corner")
    else:
        raise InputError(f"schema {face.schema.name!r} has no inner edges of the lips")
    pose = head_pose(face) if pose is None else pose
    return _openness(face, pose, pairs, corners, np.array([1.0, 0.0, 0.0]))


def _openness(
    face: Face, pose: Pose, pairs: list[tuple[str, str]], corners: tuple[str, str], width: Array
) -> float:
    """Mean distance of the pairs by the distance of the corners, which lie along `width` (3,) on a head."""
    used = [
        face.schema.indices_of(name)[0] for name in (*corners, *(name for pair in pairs for name in pair))
    ]
    across = _seen_share(pose, width)
    along = _seen_share(pose, np.array([0.0, 1.0, 0.0]))
    points = face.points[used].astype(np.float64)
    if not np.isfinite(points).all():
        return float("nan")
    length = float(np.linalg.norm(points[1] - points[0]))
    if face.unseen[used].any() or min(across, along) < LEAST_SEEN or not length > 0:
        return float("nan")
    gap = np.linalg.norm(points[3::2] - points[2::2], axis=1).mean()
    return float(gap / along / (length / across))


def _seen_share(pose: Pose, line: Array) -> float:
    """Length of a line on the head as the camera sees it, by its own length."""
    return float(np.linalg.norm((pose.rotation @ line)[:2]) / np.linalg.norm(line))


def describe(face: Face) -> dict[str, Any]:
    """`pose`, `eye_openness` (right, left) and `mouth_openness` as plain values, ready for JSON; None if not known."""
    try:
        pose = head_pose(face)
    except InputError:
        return {"pose": None, "eye_openness": [None, None], "mouth_openness": None}
    try:
        eyes = eye_openness(face, pose)
    except InputError:
        eyes = (np.nan, np.nan)
    try:
        mouth = mouth_openness(face, pose)
    except InputError:
        mouth = np.nan
    return {
        "pose": pose.to_dict(),
        "eye_openness": [_plain(eye) for eye in eyes],
        "mouth_openness": _plain(mouth),
    }


def _plain(value: float) -> float | None:
    return round(value, 4) if np.isfinite(value) else None


@dataclass(frozen=True)
class Blink:
    """An eye that was shut for a moment.

    Attributes:
        start: time of the first sample of the closed eye, in seconds.
        end: time of the first sample of the open eye after it, in seconds.
        lowest: least openness in between.
    """

    start: float
    end: float
    lowest: float


def blinks(
    openness: ArrayLike,
    times: ArrayLike,
    *,
    shut: float = 0.75,
    opened: float = 0.85,
    usual: float | None = None,
    shortest: float = 0.03,
    longest: float = 0.5,
) -> list[Blink]:
    """The blinks in a series of openness, such as the mean of both eyes in the frames of a video.

    An eye is taken to close where its openness falls below `shut * usual`, and to open again where it rises above
    `opened * usual`; between the two it stays as it was, so that noise makes no blinks. NaN leaves it as it was too.
    Eyes that are closed at the beginning or the end of the series have no known duration and are no blinks.

    Args:
        openness: (N,) of `eye_openness`, any unit; NaN where it is not known.
        times: (N,) in seconds, increasing; the steps may differ.
        shut: threshold for closing, as a share of `usual`.
        opened: threshold for opening, as a share of `usual`, at least `shut`.
        usual: openness of this person's open eye; None takes the median of the series.
        shortest, longest: durations in seconds of a blink; a longer one is an eye that rests, a shorter one is noise.

    Returns:
        The blinks in order of time.

    Raises:
        InputError: other shapes, times that do not increase, or thresholds that are not 0 < shut <= opened.
    """
    values, seconds = np.asarray(openness, dtype=np.float64), np.asarray(times, dtype=np.float64)
    if values.ndim != 1 or values.shape != seconds.shape:
        raise InputError(
            f"openness and times have the same shape (N,), not {values.shape} and {seconds.shape}"
        )
    if not np.isfinite(seconds).all() or (np.diff(seconds) <= 0).any():
        raise InputError("times are finite and increase from sample to sample")
    if not 0 < shut <= opened or not 0 <= shortest <= longest:
        raise InputError(
            f"thresholds are 0 < shut <= opened and 0 <= shortest <= longest, not {shut}, {opened}, {shortest}, "
            f"{longest}"
        )
    known = np.isfinite(values)
    if usual is None:
        if not known.any():
            return []
        usual = float(np.median(values[known]))
    found: list[Blink] = []
    start: float | None = None
    lowest, was_open = np.inf, False
    for value, time in zip(values[known].tolist(), seconds[known].tolist(), strict=True):
        if value > opened * usual:
            if start is not None and shortest <= time - start <= longest:
                found.append(Blink(start, time, lowest))
            start, lowest, was_open = None, np.inf, True
        elif start is None and was_open and value < shut * usual:
            start = time
        if start is not None:
            lowest = min(lowest, value)
    return found
