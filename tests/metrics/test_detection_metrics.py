"""Detection metrics against slow transcriptions that share no code with them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from efficientfan.errors import InputError
from efficientfan.metrics.detection import (
    FALSE_ALARM,
    NEUTRAL,
    average_precision,
    match_detections,
    operating_point,
    size_bins,
    sweep,
)
from efficientfan.structures import BoxTrust

L, U, X = BoxTrust.LABELED, BoxTrust.UNCHECKED, BoxTrust.IGNORED


def slow_iou(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    common = width * height
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)


def slow_counts(photos, iou, threshold):
    """Faces found and false alarms with the detections of at least `threshold`, matched afresh."""
    found = alarms = 0
    for boxes, scores, truth, trust in photos:
        free = {i for i, kind in enumerate(trust) if kind == L}
        for score, box in sorted(zip(scores, boxes, strict=True), key=lambda row: -row[0]):
            if score < threshold:
                continue
            best = max(free, key=lambda i: slow_iou(box, truth[i]), default=None)
            if best is not None and slow_iou(box, truth[best]) >= iou:
                free.remove(best)
                found += 1
            elif not any(slow_iou(box, t) >= iou for t, kind in zip(truth, trust, strict=True) if kind != L):
                alarms += 1
    return found, alarms


def slow_average_precision(points, faces):
    """`points` are (found, alarms) for falling thresholds."""
    area, before = 0.0, 0
    for number, (found, _) in enumerate(points):
        best = max(f / (f + a) if f + a else 0.0 for f, a in points[number:])
        area += (found - before) / faces * best
        before = found
    return area


def random_photos(seed, count=25):
    rng = np.random.default_rng(seed)
    photos = []
    for _ in range(count):
        corners = rng.uniform(0, 60, (rng.integers(0, 6), 2))
        truth = np.concatenate([corners, corners + rng.uniform(8, 25, corners.shape)], axis=1)
        trust = rng.choice([L, L, U, X], len(truth))
        near = truth[rng.integers(0, len(truth), rng.integers(0, 8))] if len(truth) else truth
        near = near + rng.normal(0, 2, near.shape)
        far = rng.uniform(0, 60, (rng.integers(0, 3), 2))
        boxes = np.concatenate([near, np.concatenate([far, far + 15], axis=1)])
        photos.append(
            (boxes, rng.choice(np.round(rng.random(40), 2), len(boxes), replace=False), truth, trust)
        )
    return photos


@pytest.mark.parametrize("iou", [0.4, 0.5, 0.75])
@pytest.mark.parametrize("seed", range(4))
def test_every_threshold_agrees_with_matching_afresh(seed, iou):
    photos = random_photos(seed)
    faces = sum(int((trust == L).sum()) for *_, trust in photos)
    answers = [match_detections(*photo, iou=iou) for photo in photos]
    scores = np.concatenate([photo[1] for photo in photos])
    curve = sweep(scores, np.concatenate(answers), faces=faces, photos=len(photos))
    expected = [slow_counts(photos, iou, score) for score in sorted(set(scores), reverse=True)]
    assert list(zip(curve.found, curve.alarms, strict=True)) == expected
    assert min(found + alarms for found, alarms in expected[5:]) > 0
    assert average_precision(curve) == pytest.approx(slow_average_precision(expected, faces), abs=1e-12)
    for allowed in (0.0, 0.2, 0.7, 10.0):
        within = [
            (score, found / faces, alarms / len(photos))
            for score, (found, alarms) in zip(curve.scores, expected, strict=True)
            if alarms / len(photos) <= allowed
        ]
        point = operating_point(curve, allowed)
        assert (point is None) == (not within)
        if point is not None:
            assert (point.min_score, point.recall, point.alarms_per_photo) == within[-1]


def test_the_order_of_photos_and_of_equal_scores_changes_nothing():
    scores, answers = np.array([0.5, 0.5, 0.5, 0.9]), np.array([0, FALSE_ALARM, 1, 2])
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]):
        curve = sweep(scores[order], answers[order], faces=4, photos=2)
        assert curve.scores.tolist() == [0.9, 0.5]
        assert average_precision(curve) == pytest.approx(0.25 * 1 + 0.5 * 0.75)


FACE, OTHER = [0, 0, 10, 10], [100, 0, 110, 10]


@pytest.mark.parametrize(
    ("boxes", "truth", "trust", "expected"),
    [
        ([FACE, FACE], [FACE], [L], [0, FALSE_ALARM]),  # found twice
        ([FACE, FACE], [FACE], [U], [NEUTRAL, NEUTRAL]),
        ([FACE, FACE], [FACE], [X], [NEUTRAL, NEUTRAL]),
        ([FACE, FACE], [FACE, FACE], [L, U], [0, NEUTRAL]),  # a labeled face comes first
        ([FACE], [OTHER], [L], [FALSE_ALARM]),
        ([FACE], [], [], [FALSE_ALARM]),
        ([], [FACE], [L], []),
        ([[0, 0, 10, 5]], [FACE], [L], [0]),  # exactly the least overlap
        ([[0, 0, 10, 4.9]], [FACE], [L], [FALSE_ALARM]),
    ],
)
def test_what_a_detection_is(boxes, truth, trust, expected):
    scores = np.linspace(1, 0.5, len(boxes))
    assert match_detections(boxes, scores, truth, trust, iou=0.5).tolist() == expected


def test_the_surer_detection_chooses_first():
    near, exact = [0, 0, 10, 8], FACE
    assert match_detections([near, exact], [0.9, 0.8], [FACE], [L], iou=0.5).tolist() == [0, FALSE_ALARM]
    assert match_detections([near, exact], [0.8, 0.9], [FACE], [L], iou=0.5).tolist() == [FALSE_ALARM, 0]


def test_nothing_found_and_nothing_to_find():
    silent = sweep([], [], faces=3, photos=2)
    assert average_precision(silent) == 0
    assert operating_point(silent, 1.0) is None
    empty = sweep([0.5], [FALSE_ALARM], faces=0, photos=2)
    assert math.isnan(average_precision(empty))
    assert empty.alarms_per_photo.tolist() == [0.5]
    assert operating_point(empty, 0.4) is None


def test_bins_have_their_lower_edge():
    assert size_bins([0, 8, 15.99, 16, 1e9], [0, 8, 16, np.inf]).tolist() == [0, 1, 1, 2, 2]
    assert size_bins([], [0, 1]).tolist() == []


@pytest.mark.parametrize(
    "call",
    [
        lambda: match_detections([], [], [], [], iou=0),
        lambda: sweep([0.1], [], faces=1, photos=1),
        lambda: sweep([], [], faces=1, photos=0),
        lambda: size_bins([1], [2, 1]),
        lambda: size_bins([5], [0, 5]),
    ],
)
def test_misuse_is_told(call):
    with pytest.raises(InputError):
        call()
