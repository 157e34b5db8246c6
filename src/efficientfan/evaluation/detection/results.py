"""`DetectionResults`: the results of one evaluation of a face detector, as its JSON file holds them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from efficientfan.evaluation.results_file import read_results, write_results
from efficientfan.metrics import Estimate
from efficientfan.metrics.detection import OperatingPoint
from efficientfan.structures import Scene

__all__ = [
    "WHOLE",
    "Allowance",
    "Curve",
    "DetectionResults",
    "GroupRates",
    "Rates",
    "SizeRates",
    "number_or_none",
    "scenes_digest",
]

FORMAT = "efficientfan-detection-1"

WHOLE = "all"
"""The group of all photos."""


@dataclass(frozen=True)
class Rates:
    """What was found on a group of photos, at one overlap.

    Attributes:
        found: faces found.
        alarms: false alarms.
        strays: false alarms on no annotated box: neither second nor ill-placed boxes of a face.
        recall: found / faces; None where there are no faces.
        alarms_per_photo: alarms / photos.
        average_precision: area under precision over recall; None where there are no faces.
    """

    found: int
    alarms: int
    strays: int
    recall: Estimate | None
    alarms_per_photo: Estimate
    average_precision: float | None


@dataclass(frozen=True)
class GroupRates:
    """A group of photos.

    Attributes:
        photos: number of photos.
        faces: number of faces to be found.
        rates: overlap, as text ("0.4") -> rates.
    """

    photos: int
    faces: int
    rates: Mapping[str, Rates]


@dataclass(frozen=True)
class SizeRates:
    """The faces whose size, sqrt(width * height), lies in [low, high).

    Attributes:
        unit: "pixels" of the photo, or "share" of its longer side.
        low, high: the range; None has no upper end.
        faces: how many, at least one.
        recall: overlap -> share of them found.
    """

    unit: str
    low: float
    high: float | None
    faces: int
    recall: Mapping[str, Estimate]


@dataclass(frozen=True)
class Allowance:
    """The lowest threshold with at most `alarms_per_photo` false alarms per photo; `point` is None without one."""

    overlap: str
    alarms_per_photo: float
    point: OperatingPoint | None


@dataclass(frozen=True)
class Curve:
    """Recall and false alarms per photo, as the threshold falls through `scores`; three lists of one length."""

    scores: Sequence[float]
    recall: Sequence[float]
    alarms_per_photo: Sequence[float]


@dataclass(frozen=True)
class DetectionResults:
    """One evaluation.

    Attributes:
        label: what tables and plots call the run.
        subject: what was evaluated: kind, name, file, SHA-256, ...
        dataset: name, split, photos, faces, unchecked and ignored boxes, digest.
        settings: overlaps, min_score, through_predictor, seed, limit, ...
        groups: group of photos -> rates; all photos together come last, as `WHOLE`.
        sizes: recall by size of face, in pixels and in shares; empty bins are left out.
        allowances: thresholds for given numbers of false alarms.
        curves: overlap -> curve over all photos; empty where there are no faces.
        samples: scene -> faces, found and alarms at the first overlap.
    """

    label: str
    subject: Mapping[str, Any]
    dataset: Mapping[str, Any]
    settings: Mapping[str, Any]
    groups: Mapping[str, GroupRates]
    sizes: Sequence[SizeRates]
    allowances: Sequence[Allowance]
    curves: Mapping[str, Curve]
    samples: Mapping[str, Mapping[str, int]]

    def save(self, path: str | Path) -> None:
        """Write as JSON, atomically."""
        write_results(path, self, FORMAT)

    @classmethod
    def load(cls, path: str | Path) -> DetectionResults:
        """Read what `save` wrote.

        Raises:
            InputError: not a results file of this version.
        """
        return read_results(path, cls._from_dict, FORMAT, "efficientfan evaluate-detector")

    @classmethod
    def _from_dict(cls, table: dict[str, Any]) -> DetectionResults:
        parts = {
            "groups": {name: _group(row) for name, row in table["groups"].items()},
            "sizes": [_sizes(row) for row in table["sizes"]],
            "allowances": [_allowance(row) for row in table["allowances"]],
            "curves": {overlap: Curve(**curve) for overlap, curve in table["curves"].items()},
        }
        return cls(**table | parts)


def _group(row: Mapping[str, Any]) -> GroupRates:
    return GroupRates(
        row["photos"], row["faces"], {overlap: _rates(rates) for overlap, rates in row["rates"].items()}
    )


def _rates(row: Mapping[str, Any]) -> Rates:
    recall = None if row["recall"] is None else Estimate(**row["recall"])
    return Rates(**{**row, "recall": recall, "alarms_per_photo": Estimate(**row["alarms_per_photo"])})


def _sizes(row: Mapping[str, Any]) -> SizeRates:
    return SizeRates(**{**row, "recall": {overlap: Estimate(**e) for overlap, e in row["recall"].items()}})


def _allowance(row: Mapping[str, Any]) -> Allowance:
    point = None if row["point"] is None else OperatingPoint(**row["point"])
    return Allowance(**{**row, "point": point})


def scenes_digest(scenes: Sequence[Scene]) -> str:
    """SHA-256 over names, boxes (to 1/1000 pixel) and trust, in order of name: equal digests mean the same test."""
    digest = hashlib.sha256()
    for scene in sorted(scenes, key=lambda scene: scene.name):
        digest.update(scene.name.encode() + b"\0")
        digest.update(np.round(scene.boxes * 1000).astype("<i8").tobytes() + scene.trust.tobytes())
    return digest.hexdigest()


def number_or_none(value: float) -> float | None:
    """`value`, or None where it is not finite: JSON has no NaN."""
    return value if math.isfinite(value) else None
