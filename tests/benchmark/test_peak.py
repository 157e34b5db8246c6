"""The yardstick: the arithmetic of speeds, and that each engine here does multiply."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from efficientfan.benchmark import peak
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


def test_what_each_engine_multiplies(monkeypatch):
    monkeypatch.setattr(peak, "timed", lambda run: lambda *_: run())
    left, right = np.random.default_rng(0).standard_normal((2, 64, 64), dtype=np.float32)
    bytes_left = (left * 20 + 128).clip(0, 255).astype(np.uint8).astype(np.int64)
    bytes_right = (right * 20).clip(-127, 127).astype(np.int8).astype(np.int64)
    expected = dict.fromkeys(("onnxruntime/f32", "openvino/f32", "torch/f32"), left @ right)
    expected["onnxruntime/int8"] = bytes_left @ bytes_right
    step = np.float32(0.04)  # of OpenVINO's int8
    expected["openvino/int8"] = (np.round(left / step) * step) @ (np.round(right / step) * step)
    for engine in ("openvino", "torch"):
        expected[f"{engine}/bf16"] = left @ right
    found: dict[str, Any] = {
        job.key.removeprefix("peak/"): job.visit(1, time.perf_counter) for job in gemm_jobs(1, side=64)
    }
    assert found.keys() >= expected.keys() - {"openvino/f32", "openvino/int8", "openvino/bf16"}
    for key, product in found.items():
        rounding = {"f32": 1e-4, "bf16": 0.15, "int8": 1e-3}[key.partition("/")[2]]
        product = product.float().numpy() if key.startswith("torch") else product
        np.testing.assert_allclose(product, expected[key], atol=rounding, err_msg=key)
        assert key.endswith("f32") or np.abs(product - left @ right).max() > 0.01, key


def test_every_product_is_timed():
    jobs = gemm_jobs(1, side=64)
    peaks = gemm_peaks(measure(jobs, rounds=1, repeats=1), 1, side=64)
    assert {("onnxruntime", "f32"), ("onnxruntime", "int8"), ("torch", "f32"), ("torch", "bf16")} <= {
        (each.engine, each.precision) for each in peaks
    }
    assert all(0 < each.gops <= each.best_gops for each in peaks)
