"""`Results`: the results of one evaluation of landmarks, as its JSON file holds them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientfan.evaluation.landmarks.reliability import Reliability
from efficientfan.evaluation.results_file import read_results, write_results
from efficientfan.metrics import Estimate
from efficientfan.structures import Annotation

__all__ = ["GroupScore", "Results", "dataset_digest"]

Array = NDArray[Any]
FORMAT = "efficientfan-evaluation-1"
_REQUIRED = [("dataset", key) for key in ("name", "split", "faces", "digest")] + [("settings", "normalizer")]
_FORMER_SETTINGS = {"normaliser": "normalizer", "normaliser_box": "normalizer_box"}


@dataclass(frozen=True)
class GroupScore:
    """The metrics over one group of faces.

    Attributes:
        faces: how many were to be found.
        missed: how many were not; they count in `fr` and `auc` and are left out of the NMEs.
        metrics: name -> estimate, as fractions; an NME is absent where every face was missed.
    """

    faces: int
    missed: int
    metrics: Mapping[str, Estimate]


@dataclass(frozen=True)
class Results:
    """One evaluation.

    Attributes:
        label: what tables and plots call the run.
        subject: what was evaluated: kind, name, file, SHA-256, ...
        dataset: name, split, schema, faces, official number of faces (or None), digest.
        settings: box, box_jitter, flip_test, normalizer, seed, limit, ...; of a model also backend, device,
            precision and threads as they were in use.
        groups: subset -> score; the whole split comes last.
        regions: region -> NME by the first normalizer, over found faces.
        landmarks: K NMEs by the first normalizer, over found faces; None where nobody labels the landmark.
        samples: name -> NME by the first normalizer; None for a missed face.
        occlusion: share of occluded landmarks, and the NME of visible and occluded ones, where labels say so.
        baseline: the mean shape's groups, if asked for.
        reliability: how well scores predict errors; None without scores, and in older files.
    """

    label: str
    subject: Mapping[str, Any]
    dataset: Mapping[str, Any]
    settings: Mapping[str, Any]
    groups: Mapping[str, GroupScore]
    regions: Mapping[str, float] = field(default_factory=dict)
    landmarks: Sequence[float | None] = ()
    samples: Mapping[str, float | None] = field(default_factory=dict)
    occlusion: Mapping[str, float] = field(default_factory=dict)
    baseline: Mapping[str, GroupScore] = field(default_factory=dict)
    reliability: Reliability | None = None

    @property
    def errors(self) -> Array:
        """(N,) NME of each sample as a fraction, infinite where missed."""
        return np.array([np.inf if e is None else e for e in self.samples.values()])

    def save(self, path: str | Path) -> None:
        """Write as JSON, atomically."""
        write_results(path, self, FORMAT)

    @classmethod
    def load(cls, path: str | Path) -> Results:
        """Read what `save` wrote, also of version 0.1, which spelled `normalizer` otherwise.

        Raises:
            InputError: not a results file of this version.
        """
        return read_results(path, cls._from_dict, FORMAT, "efficientfan evaluate")

    @classmethod
    def _from_dict(cls, table: dict[str, Any]) -> Results:
        table["settings"] = {
            _FORMER_SETTINGS.get(key, key): value for key, value in table["settings"].items()
        }
        for part, key in _REQUIRED:
            table[part][key]
        for key in ("groups", "baseline"):
            table[key] = {name: _group(score) for name, score in table[key].items()}
        if table.get("reliability") is not None:
            table["reliability"] = Reliability.from_dict(table["reliability"])
        return cls(**table)


def _group(score: Mapping[str, Any]) -> GroupScore:
    metrics = {name: Estimate(**estimate) for name, estimate in score["metrics"].items()}
    return GroupScore(score["faces"], score["missed"], metrics)


def dataset_digest(annotations: Sequence[Annotation]) -> str:
    """SHA-256 over names and points (to 1/1000 pixel), in order of name: equal digests mean the same test."""
    digest = hashlib.sha256()
    for annotation in sorted(annotations, key=lambda a: a.name):
        points = np.where(np.isnan(annotation.points), -1e6, annotation.points)
        digest.update(annotation.name.encode() + b"\0")
        digest.update(np.round(points * 1000).astype("<i8").tobytes())
    return digest.hexdigest()
