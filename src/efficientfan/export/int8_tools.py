"""The two tools that turn a float graph into an int8 one: ONNX Runtime's quantizer and NNCF.

Both are static (ranges come from calibration samples), per channel for weights and per tensor for activations, and
write QDQ graphs, which ONNX Runtime and OpenVINO run alike.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray

from efficientfan.errors import needs_extra
from efficientfan.export.fold_input import pixel_tensor, take_bytes
from efficientfan.export.qdq import inner_nodes, restore_float

__all__ = ["LARGEST_WEIGHT", "QUANTIZED", "TOOLS", "Quantized", "Tool"]

Array = NDArray[Any]

Quantized: TypeAlias = Callable[[Collection[str]], onnx.ModelProto]
"""Names of layers that stay in float -> int8 graph."""

Tool: TypeAlias = Callable[[onnx.ModelProto, Sequence[Array], Callable[[], None]], Quantized]
"""(float graph of one input, calibration samples that it takes, told after each sample) -> its int8 graphs."""

QUANTIZED = ("Conv", "Add", "Clip", "Relu", "Concat", "MaxPool", "Resize")
"""What ONNX Runtime computes in int8 faster than in float. Clip and Relu vanish in the rounding that follows them."""


def quantize_with_onnxruntime(
    model: onnx.ModelProto, samples: Sequence[Array], step: Callable[[], None]
) -> Quantized:
    """What is `QUANTIZED`; pairs around Transpose and Reshape are left to the engine, which moves them away."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    name = model.graph.input[0].name
    inner = inner_nodes(model)
    outer = [node.name for node in model.graph.node if node.name not in inner]
    pixels = pixel_tensor(model)
    source = model.SerializeToString()

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # ONNX Runtime is not annotated
        def __init__(self) -> None:
            self.samples = iter(samples)

        def get_next(self) -> dict[str, Array] | None:
            sample = next(self.samples, None)
            if sample is None:
                return None
            step()
            return {name: sample}

    def quantized(float_layers: Collection[str], ranges: Path) -> onnx.ModelProto:
        with tempfile.TemporaryDirectory() as folder, _quiet():
            path, out = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
            path.write_bytes(source)  # given the model itself, the quantizer changes it
            quantize_static(
                path,
                out,
                Reader(),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=list(QUANTIZED),
                nodes_to_exclude=[*outer, *float_layers],
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                reduce_range=True,  # to the 64 steps of LARGEST_WEIGHT
                calibration_cache_path=ranges,
                extra_options={
                    # The pixels are bytes already: any other scale would round them again.
                    "TensorQuantOverrides": {
                        pixels: [{"scale": np.array(1, np.float32), "zero_point": np.array(0, np.uint8)}]
                    }
                },
            )
            return take_bytes(onnx.load(out))

    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "ranges.json"
        quantized((), cache)
        ranges = cache.read_bytes()

    def of_layers(float_layers: Collection[str]) -> onnx.ModelProto:
        with tempfile.TemporaryDirectory() as folder:
            cache = Path(folder) / "ranges.json"
            cache.write_bytes(ranges)
            return quantized(float_layers, cache)

    return of_layers


def quantize_with_nncf(
    model: onnx.ModelProto, samples: Sequence[Array], step: Callable[[], None]
) -> Quantized:
    """Convolutions and the sums between them, with bias correction (the `quantize` extra)."""
    os.environ.setdefault("NNCF_CI", "1")  # else NNCF reports to its makers over the network
    with needs_extra("quantize", "--tool nncf needs"), _quiet():
        import nncf
        from nncf.quantization.advanced_parameters import QuantizationParameters
    name = model.graph.input[0].name

    def feed(sample: Array) -> dict[str, Array]:
        step()
        return {name: sample}

    inner = inner_nodes(model)
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    with _quiet():
        quantized = nncf.quantize(
            copy,
            nncf.Dataset(samples, feed),
            subset_size=len(samples),
            ignored_scope=nncf.IgnoredScope(
                names=[node.name for node in model.graph.node if node.name not in inner]
            ),
            # NNCF would give depthwise inputs a range per channel, which ONNX Runtime runs three times slower.
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                activations_quantization_params=QuantizationParameters(per_channel=False)
            ),
        )
    return lambda float_layers: restore_float(quantized, model, float_layers)


TOOLS: Mapping[str, Tool] = {"onnxruntime": quantize_with_onnxruntime, "nncf": quantize_with_nncf}

LARGEST_WEIGHT: Mapping[str, int] = {"onnxruntime": 64, "nncf": 127}
"""Steps that a tool gives to the largest weight of a channel. Processors without VNNI add two products of bytes in 16
bits: two of 255 x 64 fit, two of 255 x 127 do not and are cut off.
"""


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the tools' own chatter and bars on standard output; errors still raise."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
