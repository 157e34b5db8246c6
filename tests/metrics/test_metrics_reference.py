"""Metrics against slow, direct transcriptions of the papers' text and of menpofit's definitions."""

import math

import numpy as np
import pytest

from efficientfan.errors import InputError
from efficientfan.metrics import (
    auc,
    box_diagonal,
    box_size,
    ced,
    failure_rate,
    interocular,
    interpupil,
    nme,
    per_landmark,
    per_region,
)
from efficientfan.schema import get_schema

IBUG68 = get_schema("ibug68")


@pytest.fixture
def faces():
    rng = np.random.default_rng(7)
    truth = rng.uniform(0, 200, (25, 68, 2))
    truth[rng.random((25, 68)) < 0.1] = np.nan
    truth[:, 36:48] = rng.uniform(0, 200, (25, 12, 2))  # the eyes stay labeled: they normalize
    return truth + rng.normal(0, 3, truth.shape), truth


def slow_nme(points, truth, length):
    """Sagonas et al. 2016, eq. 1: mean over points of |x - x_gt| / d, in plain loops."""
    errors = []
    for face, expected, d in zip(points, truth, length, strict=True):
        parts = [math.dist(p, q) for p, q in zip(face, expected, strict=True) if not np.isnan(q).any()]
        errors.append(sum(parts) / len(parts) / d)
    return errors


def menpofit_error(points, truth, length):
    """menpofit.error.base.euclidean_error / distance: root of summed squares, mean, divided."""
    return [
        np.mean(np.sqrt(np.sum((p - t)[~np.isnan(t[:, 0])] ** 2, axis=-1))) / d
        for p, t, d in zip(points, truth, length, strict=True)
    ]


def slow_lengths(kind, truth):
    def middle(face, indices):
        return [sum(face[i][axis] for i in indices) / len(indices) for axis in (0, 1)]

    groups = {"interocular": ([36], [45]), "interpupil": (range(36, 42), range(42, 48))}[kind]
    return [math.dist(middle(face, groups[0]), middle(face, groups[1])) for face in truth]


@pytest.mark.parametrize(("kind", "function"), [("interocular", interocular), ("interpupil", interpupil)])
def test_nme_agrees_with_transcriptions(faces, kind, function):
    points, truth = faces
    lengths = slow_lengths(kind, truth)
    np.testing.assert_allclose(function(truth, IBUG68), lengths, rtol=1e-12)
    ours = nme(points, truth, function(truth, IBUG68))
    np.testing.assert_allclose(ours, slow_nme(points, truth, lengths), rtol=0, atol=1e-12)
    np.testing.assert_allclose(ours, menpofit_error(points, truth, lengths), rtol=0, atol=1e-12)


def test_box_lengths_agree_with_transcription():
    boxes = np.random.default_rng(1).uniform(0, 50, (9, 4))
    boxes[:, 2:] += 60
    np.testing.assert_allclose(box_size(boxes), [math.sqrt((c - a) * (d - b)) for a, b, c, d in boxes])
    np.testing.assert_allclose(box_diagonal(boxes), [math.dist((a, b), (c, d)) for a, b, c, d in boxes])


def menpofit_ced(errors, grid):
    """menpofit.error.stats: the proportion of errors that are <= each grid value."""
    return np.array([np.count_nonzero(errors <= x) / len(errors) for x in grid])


@pytest.mark.parametrize("threshold", [0.05, 0.08, 0.10])
def test_ced_failure_rate_and_auc_agree_with_menpofit(threshold):
    """menpofit integrates the sampled CED with Simpson's rule; on a step function both need a fine grid.

    The exact area comes from summing the rectangles between neighboring errors instead.
    """
    errors = np.random.default_rng(3).gamma(4, 0.012, 300)
    grid = np.linspace(0, threshold, 1001)
    np.testing.assert_allclose(ced(errors, grid), menpofit_ced(errors, grid), atol=1e-12)
    assert failure_rate(errors, threshold) == pytest.approx(
        1 - menpofit_ced(errors, [threshold])[0], abs=1e-12
    )
    corners = np.concatenate([[0], np.sort(errors[errors < threshold]), [threshold]])
    heights = menpofit_ced(errors, corners[:-1])
    exact = float((heights * np.diff(corners)).sum() / threshold)
    assert auc(errors, threshold) == pytest.approx(exact, abs=1e-9)
    middles = (np.arange(200_000) + 0.5) / 200_000 * threshold
    assert auc(errors, threshold) == pytest.approx(ced(errors, middles).mean(), abs=1e-5)


def test_missed_faces_fail_and_are_never_dropped():
    errors = [0.01, math.inf]
    assert failure_rate(errors, 0.1) == 0.5
    assert auc(errors, 0.1) == pytest.approx(0.45, abs=1e-12)
    assert ced(errors, 1e9) == 0.5


def test_an_error_at_the_threshold_is_no_failure():
    assert failure_rate([0.08], 0.08) == 0.0
    assert ced([0.08], 0.08) == 1.0


def test_points_not_predicted_are_infinitely_far():
    truth = np.zeros((1, 2, 2))
    assert nme([[[0, 0], [np.nan, 0]]], truth, [1.0]).tolist() == [math.inf]
    assert nme([[[0, 3], [np.nan, 0]]], truth, [1.0], mask=[[True, False]]).tolist() == [3.0]


def test_breakdowns_agree_with_loops(faces):
    points, truth = faces
    errors = np.linalg.norm(points - truth, axis=2) / 50
    for k, value in enumerate(per_landmark(errors)):
        column = [e for e in errors[:, k] if not math.isnan(e)]
        assert value == pytest.approx(sum(column) / len(column), abs=1e-12)
    for region, value in per_region(errors, IBUG68.regions).items():
        per_face = []
        for row in errors:
            labeled = [row[i] for i in IBUG68.regions[region] if not math.isnan(row[i])]
            if labeled:
                per_face.append(sum(labeled) / len(labeled))
        assert value == pytest.approx(sum(per_face) / len(per_face), abs=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nme(np.zeros((1, 2, 2)), np.zeros((1, 3, 2)), [1]), "shape"),
        (lambda: nme(np.zeros((1, 2, 2)), np.zeros((1, 2, 2)), [0.0]), "sample 0"),
        (lambda: nme(np.zeros((1, 2, 2)), np.zeros((1, 2, 2)), [np.nan]), "sample 0"),
        (lambda: nme(np.zeros((1, 2, 2)), np.zeros((1, 2, 2)), [1.0, 1.0]), "shape"),
        (lambda: nme(np.zeros((1, 2, 2)), np.full((1, 2, 2), np.nan), [1.0]), "no labeled"),
        (lambda: nme(np.zeros((1, 2, 2)), np.zeros((1, 2, 2)), [1.0], mask=[[True]]), "mask"),
        (lambda: failure_rate([], 0.1), "at least one"),
        (lambda: failure_rate([np.nan], 0.1), "sample 0"),
        (lambda: auc([0.1], 0.0), "threshold"),
        (lambda: per_landmark([1.0]), "shape"),
        (lambda: interpupil(np.zeros((1, 2, 2)), get_schema("five_points_for_test.json")), "cannot be read"),
    ],
)
def test_unusable_input_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()
