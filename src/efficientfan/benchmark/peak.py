"""How fast this machine multiplies matrices, which a network's speed is compared with.

Every installed engine computes the same square product; the fastest one at a precision gives the machine's peak.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from efficientfan.benchmark.machine import has_bf16
from efficientfan.benchmark.timing import TimedJob, Timing, timed

__all__ = ["GEMM_SIDE", "GemmPeak", "best_peaks", "gemm_jobs", "gemm_peaks"]

GEMM_SIDE = 1024
"""The product is (side, side) by (side, side): large enough that overhead does not matter."""

_PREFIX = "peak"


@dataclass(frozen=True)
class GemmPeak:
    """The speed of one engine.

    Attributes:
        engine, precision, threads: of the product; precision is f32, bf16 or int8.
        side: of its square matrices.
        gops: 10^9 operations per second at the median; a multiply-accumulate is two.
        best_gops: of the fastest single product, as on a quiet machine.
    """

    engine: str
    precision: str
    threads: int
    side: int
    gops: float
    best_gops: float


def gemm_jobs(threads: int, side: int = GEMM_SIDE) -> list[TimedJob]:
    """A job for each installed engine and precision; ONNX Runtime's needs the `onnx` package."""
    rng = np.random.default_rng(0)
    left, right = rng.standard_normal((2, side, side), dtype=np.float32)
    return [
        TimedJob(f"{_PREFIX}/{engine}/{precision}", timed(run))
        for makers in (_onnxruntime, _openvino, _torch)
        for engine, precision, run in makers(left, right, threads)
    ]


def gemm_peaks(timings: Mapping[str, Timing], threads: int, side: int = GEMM_SIDE) -> list[GemmPeak]:
    """The results of the jobs of `gemm_jobs` in `timings`."""
    gop = 2 * side**3 / 1e6  # per millisecond: a thousand million a second
    found = []
    for key, timing in timings.items():
        prefix, _, rest = key.partition("/")
        if prefix == _PREFIX:
            engine, _, precision = rest.partition("/")
            speeds = gop / timing.median_ms, gop / timing.best_ms
            found.append(GemmPeak(engine, precision, threads, side, *speeds))
    return found


def best_peaks(peaks: list[GemmPeak]) -> dict[tuple[str, int], GemmPeak]:
    """(precision, threads) -> the fastest engine's."""
    return {(each.precision, each.threads): each for each in sorted(peaks, key=lambda each: each.gops)}


Products = Iterator[tuple[str, str, Callable[[], object]]]


def _onnxruntime(left: Any, right: Any, threads: int) -> Products:
    if find_spec("onnx") is None:
        return
    import onnxruntime as ort
    from onnx import TensorProto, helper, numpy_helper

    def product(operator: str, a: Any, b: Any, result: int) -> Callable[[], object]:
        kind = helper.np_dtype_to_tensor_dtype(a.dtype)
        graph = helper.make_graph(
            [helper.make_node(operator, ["a", "b"], ["c"])],
            "gemm",
            [helper.make_tensor_value_info("a", kind, a.shape)],
            [helper.make_tensor_value_info("c", result, a.shape)],
            [numpy_helper.from_array(b, "b")],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return lambda: session.run(None, {"a": a})[0]

    yield "onnxruntime", "f32", product("MatMul", left, right, TensorProto.FLOAT)
    unsigned, signed = (left * 20 + 128).clip(0, 255).astype(np.uint8), (right * 20).clip(-127, 127)
    yield "onnxruntime", "int8", product("MatMulInteger", unsigned, signed.astype(np.int8), TensorProto.INT32)


def _openvino(left: Any, right: Any, threads: int) -> Products:
    if find_spec("openvino") is None:
        return
    import openvino as ov
    from openvino import opset13 as ops

    from efficientfan.predict.backends.openvino import shared_core

    def product(precision: str, quantized: bool) -> Callable[[], object]:
        a = ops.parameter(list(left.shape), np.float32, name="a")
        b = ops.constant(right)

        def rounded(node: Any, levels: int, low: float, high: float) -> Any:
            if not quantized:
                return node
            ends = [ops.constant(np.float32(end)) for end in (low, high, low, high)]
            return ops.fake_quantize(node, *ends, levels)

        # The ranges that OpenVINO's own quantization writes: signed activations and weights of 255 levels.
        c = ops.matmul(rounded(a, 256, -5.12, 5.08), rounded(b, 255, -5.08, 5.08), False, False)
        compiled = shared_core().compile_model(
            ov.Model([c], [a], "gemm"),
            "CPU",
            {
                "INFERENCE_NUM_THREADS": threads,
                "NUM_STREAMS": 1,
                "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_PRECISION_HINT": precision,
            },
        )
        request = compiled.create_infer_request()
        request.set_input_tensor(ov.Tensor(left, shared_memory=True))
        return lambda: request.infer()[0]

    yield "openvino", "f32", product("f32", False)
    if has_bf16("openvino"):
        yield "openvino", "bf16", product("bf16", False)
    yield "openvino", "int8", product("f32", True)


def _torch(left: Any, right: Any, threads: int) -> Products:
    if find_spec("torch") is None:
        return
    import torch

    def product(kind: torch.dtype) -> Callable[[], object]:
        a, b = torch.from_numpy(left).to(kind), torch.from_numpy(right).to(kind)

        def run() -> torch.Tensor:
            before = torch.get_num_threads()
            torch.set_num_threads(threads)
            c = torch.mm(a, b)
            torch.set_num_threads(before)
            return c

        return run

    yield "torch", "f32", product(torch.float32)
    yield "torch", "bf16", product(torch.bfloat16)
