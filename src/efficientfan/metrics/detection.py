"""Metrics of face detection: matching, recall, false alarms and average precision.

A face whose box a person drew must be found. A detection on a box of less trust (`BoxTrust`) is not counted,
because it is unknown whether a face is there. Every other detection that finds no face is a false alarm, including a
second detection of the same face.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efficientfan.errors import InputError
from efficientfan.geometry import box_iou
from efficientfan.structures import BoxTrust

__all__ = [
    "FALSE_ALARM",
    "NEUTRAL",
    "OperatingPoint",
    "Sweep",
    "average_precision",
    "match_detections",
    "operating_point",
    "size_bins",
    "sweep",
]

Array = NDArray[Any]

FALSE_ALARM, NEUTRAL = -1, -2
"""Results of `match_detections`: a detection that found no face, and one that is not counted."""


def match_detections(
    boxes: ArrayLike, scores: ArrayLike, truth: ArrayLike, trust: ArrayLike, *, iou: float
) -> Array:
    """What each detection of one photo found: (M,) an index into `truth`, `FALSE_ALARM` or `NEUTRAL`.

    By falling score, each detection takes the `LABELED` face not yet found that it overlaps most; where it
    overlaps none by `iou`, but a box of less trust, it is neutral. Detections below a
    score do not change what those above it find, so one match serves every threshold.

    Args:
        boxes: (M, 4) xyxy.
        scores: (M,), higher is surer.
        truth: (N, 4) xyxy.
        trust: (N,) of `BoxTrust`.
        iou: least intersection over union that counts as found.

    Raises:
        InputError: an overlap outside (0, 1].

    >>> faces, trust = [[0, 0, 10, 10], [50, 50, 60, 60]], [BoxTrust.LABELED, BoxTrust.UNCHECKED]
    >>> found = [[0, 0, 10, 9], [1, 0, 10, 10], [50, 50, 60, 60], [80, 80, 90, 90]]
    >>> match_detections(found, [0.8, 0.9, 0.7, 0.6], faces, trust, iou=0.5).tolist()
    [-1, 0, -2, -1]
    """
    if not 0 < iou <= 1:
        raise InputError(f"a face is found at an overlap in (0, 1], not {iou}")
    order = np.argsort(-np.asarray(scores, dtype=np.float64).reshape(-1), kind="stable")
    overlap = box_iou(boxes, truth)
    wanted = np.asarray(trust).reshape(-1) == BoxTrust.LABELED
    neutral = (overlap[:, ~wanted] >= iou).any(axis=1)
    answers = np.where(neutral, NEUTRAL, FALSE_ALARM)
    free = np.where(wanted, overlap, 0.0)
    for detection in order if free.size else ():
        face = int(free[detection].argmax())
        if free[detection, face] >= iou:
            answers[detection] = face
            free[:, face] = 0
    return answers


@dataclass(frozen=True)
class Sweep:
    """Faces found and false alarms at every threshold on the score, the highest first.

    Attributes:
        scores: (T,) float64, strictly falling: detections with at least this score are kept.
        found: (T,) faces found.
        alarms: (T,) false alarms.
        faces: faces to be found in all.
        photos: photos searched.
    """

    scores: Array
    found: Array
    alarms: Array
    faces: int
    photos: int

    @property
    def recall(self) -> Array:
        """(T,) share of the faces that is found; NaN where there are none to find."""
        return self.found / self.faces if self.faces else np.full(len(self.found), np.nan)

    @property
    def precision(self) -> Array:
        """(T,) share of the counted detections that find a face."""
        return np.asarray(self.found / np.maximum(self.found + self.alarms, 1))

    @property
    def alarms_per_photo(self) -> Array:
        """(T,) false alarms per photo, on average."""
        return np.asarray(self.alarms / self.photos)


def sweep(scores: ArrayLike, answers: ArrayLike, *, faces: int, photos: int) -> Sweep:
    """Counts at every threshold, over the detections of all photos; equal scores are taken together.

    Args:
        scores: (M,) of all photos.
        answers: (M,) of `match_detections`, photo by photo.
        faces, photos: how many there are in all.

    Raises:
        InputError: not a score for each answer, or no photo.

    >>> sweep([0.9, 0.8, 0.8, 0.7], [0, 1, FALSE_ALARM, NEUTRAL], faces=4, photos=2).recall.tolist()
    [0.25, 0.5, 0.5]
    """
    values = np.asarray(scores, dtype=np.float64).reshape(-1)
    found = np.asarray(answers).reshape(-1)
    if len(values) != len(found):
        raise InputError(f"{len(values)} scores need as many answers, not {len(found)}")
    if photos < 1 or faces < 0:
        raise InputError(f"rates need at least one photo, not {photos}, and not {faces} faces")
    order = np.argsort(-values, kind="stable")
    values, found = values[order], found[order]
    last = np.flatnonzero(np.append(values[1:] != values[:-1], True)) if len(values) else np.zeros(0, int)
    return Sweep(
        values[last], np.cumsum(found >= 0)[last], np.cumsum(found == FALSE_ALARM)[last], faces, photos
    )


def average_precision(curve: Sweep) -> float:
    """Area under precision over recall, in [0, 1]: all points, precision never rising with recall.

    That is PASCAL VOC's definition since 2010: the precision at a recall is the best that any threshold
    reaches at this recall or a higher one. Recall that no threshold reaches adds nothing. NaN without faces.

    >>> average_precision(sweep([0.9, 0.8, 0.7], [0, FALSE_ALARM, 1], faces=2, photos=1)).__round__(4)
    0.8333
    """
    if not curve.faces:
        return float("nan")
    best = np.maximum.accumulate(curve.precision[::-1])[::-1]
    return float((np.diff(curve.recall, prepend=0.0) * best).sum())


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold on the score, with its recall and false alarms.

    Attributes:
        min_score: detections with at least this score are kept.
        recall: share of the faces found; NaN where there are none.
        alarms_per_photo: false alarms per photo, on average.
    """

    min_score: float
    recall: float
    alarms_per_photo: float


def operating_point(curve: Sweep, alarms_per_photo: float) -> OperatingPoint | None:
    """The lowest threshold that gives at most so many false alarms per photo; None where there is none.

    >>> curve = sweep([0.9, 0.8, 0.7], [0, FALSE_ALARM, 1], faces=2, photos=10)
    >>> operating_point(curve, 0.05)
    OperatingPoint(min_score=0.9, recall=0.5, alarms_per_photo=0.0)
    """
    allowed = np.flatnonzero(curve.alarms_per_photo <= alarms_per_photo)
    if not len(allowed):
        return None
    last = allowed[-1]
    return OperatingPoint(
        float(curve.scores[last]), float(curve.recall[last]), float(curve.alarms_per_photo[last])
    )


def size_bins(sizes: ArrayLike, edges: ArrayLike) -> Array:
    """Which bin each size falls into: (N,) int, bin i holds edges[i] <= size < edges[i + 1].

    >>> size_bins([7.9, 8, 100], [0, 8, 16, np.inf]).tolist()
    [0, 1, 2]

    Raises:
        InputError: edges that do not rise, or a size outside them.
    """
    limits, values = np.asarray(edges, dtype=np.float64), np.asarray(sizes, dtype=np.float64)
    if limits.ndim != 1 or len(limits) < 2 or not (np.diff(limits) > 0).all():
        raise InputError(f"edges of bins must rise, not {limits.tolist()}")
    bins = np.searchsorted(limits, values, side="right") - 1
    if values.size and (bins.min() < 0 or bins.max() > len(limits) - 2):
        raise InputError(f"sizes lie in [{limits[0]:g}, {limits[-1]:g}), not all of {values.tolist()[:5]}")
    return np.asarray(bins)
