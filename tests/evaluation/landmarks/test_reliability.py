"""Known scores with known errors give known reliability."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
from scipy.stats import spearmanr

from efficientfan.errors import InputError
from efficientfan.evaluation.landmarks.reliability import (
    Reliability,
    ScoreBin,
    WorstTenth,
    failures_in_worst_tenth,
    kept_faces,
    measure_reliability,
    rank_correlation,
    score_bins,
)


def shuffled(*arrays):
    order = np.random.default_rng(3).permutation(len(arrays[0]))
    return [np.asarray(array)[order] for array in arrays]


def test_the_worst_tenth_is_that_of_the_lowest_scores():
    """Of 40 faces four are the worst tenth; they hold two of the three failures."""
    errors = np.full(40, 0.02)
    errors[[0, 2, 20]] = 0.09
    errors[3] = 0.08  # exactly at the threshold is none
    scores, errors = shuffled(np.linspace(0.1, 0.9, 40), errors)
    found = failures_in_worst_tenth(scores, errors)
    assert found == WorstTenth(faces=4, failures=3, caught=2.0)
    assert found.share == pytest.approx(2 / 3)
    assert failures_in_worst_tenth(-scores, errors) == WorstTenth(4, 3, 0.0)
    assert failures_in_worst_tenth(scores, errors, 0.01) == WorstTenth(4, 40, 4.0)


@pytest.mark.parametrize(("count", "tenth"), [(1, 1), (7, 1), (10, 1), (11, 2), (20, 2), (554, 56)])
def test_the_tenth_is_rounded_up(count, tenth):
    errors = np.full(count, 0.5)
    assert failures_in_worst_tenth(np.arange(count), errors) == WorstTenth(tenth, count, tenth)


def test_equal_scores_share_the_places_that_are_left():
    """Two places: one is the lowest score's, for the other five faces tie, one of which failed."""
    scores = np.array([0.1] + [0.2] * 5 + [0.9] * 14)
    errors = np.full(20, 0.02)
    errors[[0, 3]] = 0.5
    assert failures_in_worst_tenth(scores, errors) == WorstTenth(2, 2, 1.2)
    assert failures_in_worst_tenth(scores[::-1], errors[::-1]) == WorstTenth(2, 2, 1.2)
    assert failures_in_worst_tenth(np.ones(20), errors) == WorstTenth(2, 2, 0.2)


def test_no_failures():
    assert failures_in_worst_tenth([0.1, 0.2], [0.08, 0.0]) is None


def test_kept_faces_lose_the_lowest_scores_first():
    scores, errors = shuffled(np.arange(20) / 20, np.arange(20, 0, -1) / 100)
    rows = kept_faces(scores, errors)
    assert [row.left_out for row in rows] == [0.0, 0.05, 0.1, 0.2, 0.5]
    assert [row.faces for row in rows] == [20, 19, 18, 16, 10]
    assert [row.nme for row in rows] == pytest.approx([0.105, 0.1, 0.095, 0.085, 0.055], abs=1e-9)


def test_kept_faces_of_few_and_of_equal_scores():
    rows = kept_faces([0.5], [0.03])
    assert {(row.faces, row.nme) for row in rows} == {(1, 0.03)}
    rows = kept_faces([0.1, 0.1, 0.9, 0.9], [0.4, 0.2, 0.01, 0.03], [0.0, 0.25, 0.5])
    assert [row.nme for row in rows] == pytest.approx([0.16, (0.3 + 0.04) / 3, 0.02], abs=1e-6)


@pytest.mark.parametrize("decimals", [1, 6])
def test_rank_correlation_is_spearmans_with_and_without_ties(decimals):
    rng = np.random.default_rng(0)
    scores = rng.uniform(0, 1, 200).round(decimals)
    errors = np.exp(-3 * scores + rng.normal(0, 1, 200)).round(decimals)
    assert rank_correlation(scores, errors) == pytest.approx(spearmanr(scores, errors).statistic, abs=1e-6)


def test_rank_correlation_needs_a_difference():
    assert rank_correlation([0.1], [0.2]) is None
    assert rank_correlation([0.5, 0.5], [0.2, 0.3]) is None
    assert rank_correlation([0.4, 0.5], [0.2, 0.2]) is None


def test_bins_of_equal_counts():
    scores, errors = shuffled(np.arange(100) / 100, (99 - np.arange(100)) / 100)
    bins = score_bins(scores, errors)
    assert [each.landmarks for each in bins] == [10] * 10
    assert bins[0] == ScoreBin(10, score=0.045, mean=0.945, median=0.945, p90=0.981)
    assert [each.score for each in bins] == sorted(each.score for each in bins)


def test_bins_do_not_part_equal_scores():
    """Half of the scores are one: the upper five bins are a single one."""
    scores, errors = shuffled(
        np.minimum(np.arange(100) / 50, 1.0), np.r_[np.full(50, 0.1), np.full(50, 0.01)]
    )
    bins = score_bins(scores, errors)
    assert [each.landmarks for each in bins] == [10] * 5 + [50]
    assert (bins[-1].score, bins[-1].mean) == (1.0, 0.01)


def test_a_score_that_most_share_leaves_the_lower_ones_apart():
    """Fifteen scores below one, of which the first ten fill a bin and five begin the next."""
    bins = score_bins(np.r_[np.arange(15) / 15, np.ones(85)], np.r_[np.full(15, 0.1), np.full(85, 0.01)])
    assert [(each.landmarks, each.mean) for each in bins] == [(10, 0.1), (5, 0.1), (85, 0.01)]


def test_fewer_landmarks_than_bins():
    assert [each.score for each in score_bins([0.3, 0.1, 0.2], [0.1, 0.3, 0.2])] == [0.1, 0.2, 0.3]


def test_a_face_is_scored_by_all_its_landmarks_and_bins_hold_the_labeled_ones():
    """By its labeled landmark alone, the first face would be the surer."""
    scores = np.array([[0.8, 0.0], [0.5, 0.5]])
    landmark_errors = np.array([[0.2, np.nan], [0.02, 0.04]])
    found = measure_reliability(scores, landmark_errors, [0.2, 0.03])
    assert found.rank_correlation == -1.0
    assert [(each.landmarks, each.score, each.mean) for each in found.bins] == [(2, 0.5, 0.03), (1, 0.8, 0.2)]
    assert found.worst_tenth == WorstTenth(1, 1, 1.0)


def test_faces_missed_or_without_scores_are_left_out():
    scores = np.full((4, 3), 0.5)
    scores[1, 0] = np.nan
    landmark_errors = np.full((4, 3), 0.01)
    landmark_errors[2] = np.inf
    found = measure_reliability(scores, landmark_errors, [0.01, 0.01, np.inf, 0.01])
    assert (found.faces, found.bins[0].landmarks, found.worst_tenth) == (2, 6, None)
    assert measure_reliability(np.full((4, 3), np.nan), landmark_errors, [0.01] * 4) is None


def test_it_comes_back_from_a_dictionary():
    rng = np.random.default_rng(0)
    errors = rng.uniform(0, 0.1, (30, 5))
    found = measure_reliability(rng.uniform(0, 1, (30, 5)), errors, errors.mean(axis=1), threshold=0.05)
    assert found.worst_tenth is not None
    assert Reliability.from_dict(asdict(found)) == found


def test_arrays_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match=r"\(2, 3\), \(2, 4\) and \(2,\)"):
        measure_reliability(np.zeros((2, 3)), np.zeros((2, 4)), np.zeros(2))
