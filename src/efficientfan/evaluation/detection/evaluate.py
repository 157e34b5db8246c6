"""Running a face detector, or the whole predictor, over a set of scenes, and counting what it found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientfan.data.scenes.catalog import SceneSet
from efficientfan.evaluation.detection.results import (
    WHOLE,
    Allowance,
    Curve,
    DetectionResults,
    GroupRates,
    Rates,
    SizeRates,
    number_or_none,
    scenes_digest,
)
from efficientfan.geometry import box_iou
from efficientfan.metrics import bootstrap_mean, box_size
from efficientfan.metrics.detection import (
    FALSE_ALARM,
    Sweep,
    average_precision,
    match_detections,
    operating_point,
    size_bins,
    sweep,
)
from efficientfan.predict import LandmarkPredictor
from efficientfan.predict.detectors import Detections, FaceDetector
from efficientfan.structures import BoxTrust, Scene

__all__ = [
    "OVERLAPS",
    "PredictorAsDetector",
    "SearchedPhoto",
    "score_detections",
    "search_photos",
    "wanted_faces",
]

Array = NDArray[Any]

OVERLAPS = (0.4, 0.5)
"""A face counts as found from this intersection over union on; results are given for each."""

ALLOWED_ALARMS = (0.01, 0.02, 0.05, 0.1, 0.2)
"""False alarms per photo for which the results give the threshold."""

TOUCHED = 0.2
"""A false alarm whose IoU with every annotated box is below this is no second or ill-placed box of a face."""

PIXEL_EDGES = (0, 8, 16, 32, 64, 128, 256, np.inf)
SHARE_EDGES = (0, 1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, np.inf)

_CURVE_POINTS = 400


@dataclass(frozen=True)
class SearchedPhoto:
    """A photo that a detector has processed.

    Attributes:
        detections: what it found.
        size: (width, height) of the photo in pixels.
    """

    detections: Detections
    size: tuple[int, int]


class PredictorAsDetector:
    """A predictor used as a detector: the tight boxes of its landmarks, with the mean landmark score.

    Args:
        predictor: drops faces of low score and duplicates.
        min_score: lowest score of a face, in [0, 1]; None takes the model's own.
    """

    def __init__(self, predictor: LandmarkPredictor, min_score: float | None = None) -> None:
        self.predictor = predictor
        self.min_score = min_score

    @property
    def name(self) -> str:
        """Detector and landmark model."""
        return f"{self.predictor.detector.name}+{self.predictor.spec.name}"

    def detect(self, image: Array) -> Detections:
        """The faces of an H x W x 3 uint8 RGB image."""
        faces = self.predictor(image, min_score=self.min_score)
        boxes = [face.tight_box for face in faces]
        return Detections(np.reshape(boxes, (-1, 4)), np.array([face.score for face in faces]))


def search_photos(
    detector: FaceDetector, scenes: SceneSet, *, progress: Callable[[int], None] = lambda done: None
) -> list[SearchedPhoto]:
    """Run a detector on each photo.

    Args:
        detector: as `open_detector` makes it.
        scenes: N photos.
        progress: called with the number of photos done since the last call.

    Raises:
        InputError: a photo cannot be read.
    """
    searched = []
    for index in range(len(scenes)):
        photo = scenes.read(index)
        searched.append(SearchedPhoto(detector.detect(photo), (photo.shape[1], photo.shape[0])))
        progress(1)
    return searched


def wanted_faces(scene: Scene) -> Array:
    """Indices of the boxes that a detector must find."""
    return np.flatnonzero(scene.trust == BoxTrust.LABELED)


def score_detections(
    searched: Sequence[SearchedPhoto],
    scenes: SceneSet,
    *,
    label: str,
    subject: Mapping[str, Any],
    settings: Mapping[str, Any],
    overlaps: Sequence[float] = OVERLAPS,
    seed: int = 0,
) -> DetectionResults:
    """Measure detections on a set of scenes.

    Args:
        searched: of N photos.
        scenes: the same N photos.
        label, subject, settings: what was run and how, for tables and the file (see `DetectionResults`).
        overlaps: a face counts as found from this intersection over union on.
        seed: of the bootstrap, which draws faces for recall and photos for false alarms.
    """
    counts = {f"{overlap:g}": _Counts.of(searched, scenes, overlap) for overlap in overlaps}
    first = next(iter(counts.values()))
    names = sorted(set(scenes.groups))
    members = {name: [i for i, own in enumerate(scenes.groups) if own == name] for name in names}
    groups = {**(members if len(names) > 1 else {}), WHOLE: list(range(len(scenes)))}
    curves = {overlap: count.sweep(groups[WHOLE]) for overlap, count in counts.items()}
    return DetectionResults(
        label=label,
        subject=subject,
        dataset=_describe(scenes),
        settings={**settings, "overlaps": list(counts), "seed": seed},
        groups={name: _group(counts, rows, seed) for name, rows in groups.items()},
        sizes=_by_size(counts, searched, scenes, seed),
        allowances=[
            Allowance(overlap, allowed, operating_point(curve, allowed))
            for overlap, curve in curves.items()
            if curve.faces
            for allowed in ALLOWED_ALARMS
        ],
        curves={overlap: _thinned(curve) for overlap, curve in curves.items() if curve.faces},
        samples={
            scene.name: {
                "faces": len(first.found[index]),
                "found": int(first.found[index].sum()),
                "alarms": int((first.answers[index] == FALSE_ALARM).sum()),
            }
            for index, scene in enumerate(scenes.scenes)
        },
    )


@dataclass(frozen=True)
class _Counts:
    """The outcome of each photo's detections at one overlap; all lists have one entry per photo."""

    scores: list[Array]
    answers: list[Array]  # of `match_detections`
    found: list[Array]  # (F,) bool, for each face to be found
    strays: list[int]

    @classmethod
    def of(cls, searched: Sequence[SearchedPhoto], scenes: SceneSet, overlap: float) -> _Counts:
        counts = cls([], [], [], [])
        for each, scene in zip(searched, scenes.scenes, strict=True):
            boxes, scores = each.detections.boxes, each.detections.scores
            answers = match_detections(boxes, scores, scene.boxes, scene.trust, iou=overlap)
            untouched = box_iou(boxes, scene.boxes).max(axis=1, initial=0) < TOUCHED
            counts.scores.append(scores)
            counts.answers.append(answers)
            counts.found.append(np.isin(wanted_faces(scene), answers))
            counts.strays.append(int((untouched & (answers == FALSE_ALARM)).sum()))
        return counts

    def sweep(self, photos: Sequence[int]) -> Sweep:
        return sweep(
            np.concatenate([self.scores[i] for i in photos]),
            np.concatenate([self.answers[i] for i in photos]),
            faces=sum(len(self.found[i]) for i in photos),
            photos=len(photos),
        )


def _group(counts: Mapping[str, _Counts], photos: Sequence[int], seed: int) -> GroupRates:
    faces = sum(len(next(iter(counts.values())).found[i]) for i in photos)
    return GroupRates(
        len(photos), faces, {overlap: _rates(count, photos, seed) for overlap, count in counts.items()}
    )


def _rates(counts: _Counts, photos: Sequence[int], seed: int) -> Rates:
    found = np.concatenate([counts.found[i] for i in photos])
    alarms = np.array([(counts.answers[i] == FALSE_ALARM).sum() for i in photos])
    return Rates(
        found=int(found.sum()),
        alarms=int(alarms.sum()),
        strays=sum(counts.strays[i] for i in photos),
        recall=bootstrap_mean(found, seed=seed) if len(found) else None,
        alarms_per_photo=bootstrap_mean(alarms, seed=seed),
        average_precision=number_or_none(average_precision(counts.sweep(photos))),
    )


def _by_size(
    counts: Mapping[str, _Counts], searched: Sequence[SearchedPhoto], scenes: SceneSet, seed: int
) -> list[SizeRates]:
    sizes = [box_size(scene.boxes[wanted_faces(scene)]) for scene in scenes.scenes]
    shares = [own / max(each.size) for own, each in zip(sizes, searched, strict=True)]
    found = {overlap: np.concatenate(count.found) for overlap, count in counts.items()}
    rows = []
    for unit, values, edges in (("pixels", sizes, PIXEL_EDGES), ("share", shares, SHARE_EDGES)):
        bins = size_bins(np.concatenate(values), edges)
        for number in np.unique(bins):
            chosen, high = bins == number, edges[number + 1]
            recall = {overlap: bootstrap_mean(hits[chosen], seed=seed) for overlap, hits in found.items()}
            rows.append(SizeRates(unit, edges[number], number_or_none(high), int(chosen.sum()), recall))
    return rows


def _thinned(curve: Sweep) -> Curve:
    """At most `_CURVE_POINTS` of the thresholds, the lowest among them."""
    chosen = np.unique(np.linspace(0, len(curve.scores) - 1, _CURVE_POINTS).round().astype(int))
    chosen = chosen[: len(curve.scores)]
    return Curve(
        curve.scores[chosen].tolist(), curve.recall[chosen].tolist(), curve.alarms_per_photo[chosen].tolist()
    )


def _describe(scenes: SceneSet) -> dict[str, Any]:
    trust = np.concatenate([scene.trust for scene in scenes.scenes])
    return {
        "name": scenes.name,
        "split": scenes.split,
        "photos": len(scenes),
        "faces": int((trust == BoxTrust.LABELED).sum()),
        "unchecked": int((trust == BoxTrust.UNCHECKED).sum()),
        "ignored": int((trust == BoxTrust.IGNORED).sum()),
        "digest": scenes_digest(scenes.scenes),
    }
