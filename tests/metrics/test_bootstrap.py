"""Bootstrap intervals: seeded, of the right width, and sharper when paired."""

import numpy as np
import pytest

from efficientfan.errors import InputError
from efficientfan.metrics import Estimate, bootstrap_mean, paired_difference


def test_the_seed_decides():
    values = np.random.default_rng(0).gamma(4, 0.01, 200)
    assert bootstrap_mean(values, seed=1) == bootstrap_mean(values, seed=1)
    assert bootstrap_mean(values, seed=1).low != bootstrap_mean(values, seed=2).low


def test_interval_has_the_width_of_the_normal_approximation():
    values = np.random.default_rng(0).normal(5, 1, 400)
    estimate = bootstrap_mean(values, resamples=20_000)
    half = 1.96 * values.std() / 20
    assert estimate.value == pytest.approx(values.mean(), abs=1e-12)
    assert estimate.low == pytest.approx(values.mean() - half, abs=0.05 * half)
    assert estimate.high == pytest.approx(values.mean() + half, abs=0.05 * half)


def test_pairing_separates_what_single_intervals_cannot():
    rng = np.random.default_rng(0)
    first = rng.gamma(2, 0.03, 300)
    second = first - 0.001 + rng.normal(0, 0.002, 300)
    a, b, difference = bootstrap_mean(first), bootstrap_mean(second), paired_difference(second, first)
    assert b.high > a.low  # the two intervals overlap ...
    assert difference.high < 0  # ... yet the second is surely better


def test_chunks_do_not_change_the_numbers(monkeypatch):
    values = np.arange(50.0)
    whole = bootstrap_mean(values)
    monkeypatch.setattr("efficientfan.metrics.bootstrap._CHUNK", 99)
    assert bootstrap_mean(values) == whole


@pytest.mark.parametrize(
    "call",
    [
        lambda: bootstrap_mean([]),
        lambda: bootstrap_mean([np.inf, 1.0]),
        lambda: bootstrap_mean([1.0], confidence=1.0),
        lambda: paired_difference([1.0], [1.0, 2.0]),
        lambda: Estimate(1.0, np.nan, 2.0),
    ],
)
def test_unusable_input_is_refused(call):
    with pytest.raises(InputError):
        call()
