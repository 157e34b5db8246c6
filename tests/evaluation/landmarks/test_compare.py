"""Comparing runs: paired by name, with missed faces counted, refused across data sets."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from efficientfan.errors import InputError
from efficientfan.evaluation import compare_runs, comparison_table, load_test_set, score_points
from efficientfan.evaluation.landmarks.compare import unique_labels

SPAN = 39.0


def run(test_set, label, shares, **options):
    """Results whose sample i has the error shares[i]; infinite is a missed face."""
    points = test_set.truth
    for face, share in zip(points, shares, strict=True):
        face[:, 0] += share * SPAN if np.isfinite(share) else np.nan
    return score_points(points, test_set, label=label, subject={}, settings={}, **options)


@pytest.fixture
def test_set(faces):
    return load_test_set("300w", faces[0], "common")


FIRST = [0.02, 0.04, 0.06, 0.03, 0.095, 0.045]


def test_difference_is_the_mean_of_paired_differences(test_set):
    second = [e - 0.01 for e in FIRST]
    (comparison,) = compare_runs([run(test_set, "a", FIRST), run(test_set, "b", second)])
    assert (comparison.label, comparison.faces) == ("b", 6)
    difference = comparison.differences["nme_interocular"]
    assert (difference.value, difference.low, difference.high) == pytest.approx(
        (-0.01, -0.01, -0.01), abs=1e-6
    )
    assert comparison.differences["fr@0.08"].value == 0
    assert comparison.differences["auc@0.10"].value == pytest.approx(0.1, abs=1e-5)


def test_samples_are_paired_by_name_not_by_place(test_set):
    first, second = run(test_set, "a", FIRST), run(test_set, "b", FIRST)
    shuffled = dataclasses.replace(second, samples=dict(reversed(second.samples.items())))
    (comparison,) = compare_runs([first, shuffled])
    assert (
        comparison.differences["nme_interocular"].low == 0 == comparison.differences["nme_interocular"].high
    )


def test_a_miss_leaves_the_nme_and_worsens_the_rest(test_set):
    missing = [np.inf, *FIRST[1:]]
    (comparison,) = compare_runs([run(test_set, "a", FIRST), run(test_set, "b", missing)])
    assert comparison.faces == 5
    assert comparison.differences["nme_interocular"].value == 0
    assert comparison.differences["fr@0.10"].value == pytest.approx(1 / 6)
    assert comparison.differences["auc@0.10"].value == pytest.approx(-0.8 / 6, abs=1e-5)


def test_the_table_shows_runs_and_differences(test_set):
    runs = [run(test_set, name, FIRST) for name in ("a", "a", "b")]
    assert unique_labels(runs) == ["a (1)", "a (2)", "b"]
    table = comparison_table(runs)
    assert "minus a (1)" in table
    assert "4.83" in table
    assert "NOT the complete split" in table


def test_other_faces_points_or_normalizers_are_refused(test_set, faces):
    first = run(test_set, "a", FIRST)
    fewer = run(test_set.first(4), "few", FIRST[:4])
    boxed = run(test_set, "boxed", FIRST, normalizers=["box"])
    with pytest.raises(InputError, match="'few' was measured on other faces than 'a'"):
        compare_runs([first, fewer])
    with pytest.raises(InputError, match="'boxed' is normalized by box"):
        compare_runs([first, boxed])
    with pytest.raises(InputError, match="at least two"):
        compare_runs([first])
