"""The yardstick: the arithmetic of speeds, and that each engine here does multiply."""

from __future__ import annotations

import pytest

from efficientfan.benchmark.peak import best_peaks, gemm_jobs, gemm_peaks
from efficientfan.benchmark.timing import Timing, measure


def test_a_product_is_two_operations_a_cell():
    timings = {
        "a model": Timing(((1.0,),)),
        "peak/slow/f32": Timing(((0.02, 0.02, 0.01),)),
        "peak/fast/f32": Timing(((0.004,),)),
        "peak/fast/int8": Timing(((0.002,),)),
    }
    peaks = gemm_peaks(timings, threads=2, side=1000)
    assert [(each.engine, each.precision, each.threads) for each in peaks] == [
        ("slow", "f32", 2),
        ("fast", "f32", 2),
        ("fast", "int8", 2),
    ]
    assert [each.gops for each in peaks] == pytest.approx([100, 500, 1000])
    assert peaks[0].best_gops == pytest.approx(200)
    best = best_peaks(peaks)
    assert {key: each.gops for key, each in best.items()} == pytest.approx(
        {("f32", 2): 500, ("int8", 2): 1000}
    )


def test_every_engine_multiplies():
    jobs = gemm_jobs(1, side=64)
    peaks = gemm_peaks(measure(jobs, rounds=1, repeats=1), 1, side=64)
    assert {("onnxruntime", "f32"), ("onnxruntime", "int8"), ("torch", "f32"), ("torch", "bf16")} <= {
        (each.engine, each.precision) for each in peaks
    }
    assert all(0 < each.gops <= each.best_gops for each in peaks)
