"""Whether scores mean something: does a low score go with a large error?

A face's score is the mean of its landmarks' (`efficientfan.structures.Face.score`). Errors are fractions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efficientfan.errors import InputError
from efficientfan.metrics.ced import failure_values

__all__ = [
    "FAILURE",
    "KeptFaces",
    "Reliability",
    "ScoreBin",
    "WorstTenth",
    "failures_in_worst_tenth",
    "kept_faces",
    "measure_reliability",
    "rank_correlation",
    "score_bins",
]

Array = NDArray[Any]

FAILURE = 0.08
"""A face whose NME is above it counts as failed, where nothing else is said."""

LEFT_OUT = (0.0, 0.05, 0.1, 0.2, 0.5)


@dataclass(frozen=True)
class ScoreBin:
    """Landmarks of similar score.

    Attributes:
        landmarks: how many.
        score: their mean score.
        mean, median, p90: of their errors; nine in ten are below the last.
    """

    landmarks: int
    score: float
    mean: float
    median: float
    p90: float


@dataclass(frozen=True)
class WorstTenth:
    """The tenth of the faces with the lowest scores.

    Attributes:
        faces: how many these are (rounded up).
        failures: among all faces, at least one.
        caught: failures among this tenth; not a whole number only where equal scores leave open who is in it.
    """

    faces: int
    failures: int
    caught: float

    @property
    def share(self) -> float:
        """Of all failures; scores that mean nothing catch a tenth of them."""
        return self.caught / self.failures


@dataclass(frozen=True)
class KeptFaces:
    """What is left when the faces of the lowest scores go.

    Attributes:
        left_out: share of the faces that goes (rounded down to whole faces).
        faces: how many are kept.
        nme: their mean error.
    """

    left_out: float
    faces: int
    nme: float


@dataclass(frozen=True)
class Reliability:
    """How scores and errors go together, over the faces that have both.

    Attributes:
        faces: how many.
        threshold: a face whose error is above it is a failure.
        worst_tenth: where the failures are; None where there are none.
        rank_correlation: Spearman's, of face score with NME, -1 at best; None where either is the same throughout.
        bins: landmarks by rising score, labeled ones only.
        kept: mean error as the least sure faces are left out.
    """

    faces: int
    threshold: float
    worst_tenth: WorstTenth | None
    rank_correlation: float | None
    bins: Sequence[ScoreBin]
    kept: Sequence[KeptFaces]

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> Reliability:
        """From what `dataclasses.asdict` made of it."""
        tenth = table["worst_tenth"]
        parts = {
            "worst_tenth": None if tenth is None else WorstTenth(**tenth),
            "bins": [ScoreBin(**row) for row in table["bins"]],
            "kept": [KeptFaces(**row) for row in table["kept"]],
        }
        return cls(**{**table, **parts})


def measure_reliability(
    scores: ArrayLike, landmark_errors: ArrayLike, errors: ArrayLike, *, threshold: float = FAILURE
) -> Reliability | None:
    """All of it for N faces of K landmarks, or None where no face has both score and error.

    Args:
        scores: (N, K) landmark scores; a face with a NaN among them has none.
        landmark_errors: (N, K) normalized as the NME is, NaN where unlabeled.
        errors: (N,) NME; infinite where the face was missed, which leaves it out.
        threshold: of a failure.

    Raises:
        InputError: arrays that do not fit each other, or a threshold that is not positive.
    """
    sure, distances, nme = (np.asarray(a, dtype=np.float64) for a in (scores, landmark_errors, errors))
    if sure.ndim != 2 or sure.shape != distances.shape or nme.shape != sure.shape[:1]:
        raise InputError(
            f"scores and errors must be (N, K) and (N,), not {sure.shape}, {distances.shape} and {nme.shape}"
        )
    counted = np.isfinite(sure).all(axis=1) & np.isfinite(nme)
    if not counted.any():
        return None
    sure, distances, nme = sure[counted], distances[counted], nme[counted]
    face_scores = sure.mean(axis=1)
    labeled = np.isfinite(distances)
    return Reliability(
        faces=len(nme),
        threshold=threshold,
        worst_tenth=failures_in_worst_tenth(face_scores, nme, threshold),
        rank_correlation=rank_correlation(face_scores, nme),
        bins=score_bins(sure[labeled], distances[labeled]),
        kept=kept_faces(face_scores, nme),
    )


def score_bins(scores: ArrayLike, errors: ArrayLike, bins: int = 10) -> list[ScoreBin]:
    """Landmarks in bins of as equal counts as can be, by rising score.

    Equal scores stay in one bin, that of their mean rank, so that many of them make fewer and larger bins.

    Args:
        scores, errors: (M,) each, M >= 1.
        bins: at most so many.
    """
    sure, distances = np.asarray(scores, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    place = bins * (_mean_ranks(sure) - 1) // len(sure)
    rows = []
    for chosen in (place == number for number in np.unique(place)):
        own = distances[chosen]
        median, p90 = np.quantile(own, [0.5, 0.9])
        figures = (sure[chosen].mean(), own.mean(), median, p90)
        rows.append(ScoreBin(len(own), *(_rounded(value) for value in figures)))
    return rows


def rank_correlation(first: ArrayLike, second: ArrayLike) -> float | None:
    """Spearman's rank correlation of (N,) with (N,), ties at their mean rank; None where either is constant.

    >>> rank_correlation([0.1, 0.5, 0.9], [0.30, 0.02, 0.01])
    -1.0
    """
    ranks = np.stack([_mean_ranks(np.asarray(values, dtype=np.float64)) for values in (first, second)])
    if (np.ptp(ranks, axis=1) == 0).any():
        return None
    return _rounded(np.corrcoef(ranks)[0, 1])


def failures_in_worst_tenth(
    scores: ArrayLike, errors: ArrayLike, threshold: float = FAILURE
) -> WorstTenth | None:
    """How many failures the tenth of the faces with the lowest scores holds; None where there are none.

    Args:
        scores, errors: (N,) each, N >= 1.
        threshold: an error above it is a failure.

    Raises:
        InputError: a threshold that is not positive.
    """
    sure, failed = np.asarray(scores, dtype=np.float64), failure_values(errors, threshold)
    if not failed.any():
        return None
    faces = math.ceil(len(sure) / 10)
    return WorstTenth(faces, int(failed.sum()), _rounded((_lowest(sure, faces) * failed).sum()))


def kept_faces(scores: ArrayLike, errors: ArrayLike, left_out: Sequence[float] = LEFT_OUT) -> list[KeptFaces]:
    """Mean error of the faces that are kept when a share of them, those of the lowest scores, is left out.

    Args:
        scores, errors: (N,) each, N >= 1.
        left_out: shares, each at least 0 and below 1.
    """
    sure, nme = np.asarray(scores, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    rows = []
    for share in left_out:
        count = math.floor(round(share * len(sure), 6))
        kept = 1 - _lowest(sure, count)
        rows.append(KeptFaces(share, len(sure) - count, _rounded((kept * nme).sum() / kept.sum())))
    return rows


def _lowest(scores: Array, count: int) -> Array:
    """(N,) 1.0 for the `count` lowest scores, 0.0 for the others; equal ones share the places that are left."""
    if count == 0:
        return np.zeros(len(scores))
    last = np.sort(scores)[count - 1]
    below, tied = scores < last, scores == last
    return np.asarray(below + tied * (count - below.sum()) / tied.sum())


def _mean_ranks(values: Array) -> Array:
    """(N,) from 1, the lowest, to N; equal values share the mean of their ranks."""
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[group])


def _rounded(value: float) -> float:
    return round(float(value), 6)
