"""The two tools that turn a float graph into an int8 one: ONNX Runtime's quantiser and NNCF.

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
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import onnx
from numpy.typing import NDArray

from efficientfan.errors import needs_extra
from efficientfan.export.qdq import inner_nodes

__all__ = ["TOOLS", "Tool"]

Array = NDArray[Any]

Tool: TypeAlias = Callable[[onnx.ModelProto, Sequence[Array], Callable[[], None]], onnx.ModelProto]
"""(float graph of one input, calibration samples that it takes, told after each sample) -> int8 graph."""


def quantise_with_onnxruntime(
    model: onnx.ModelProto, samples: Sequence[Array], step: Callable[[], None]
) -> onnx.ModelProto:
    """Convolutions only: ONNX Runtime has no int8 transposed convolution, and would unpack its weights every run."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    name = model.graph.input[0].name

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # ONNX Runtime is not annotated
        def __init__(self) -> None:
            self.samples = iter(samples)

        def get_next(self) -> dict[str, Array] | None:
            sample = next(self.samples, None)
            if sample is None:
                return None
            step()
            return {name: sample}

    with tempfile.TemporaryDirectory() as folder, _quiet():
        source, out = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, source)  # given the model itself, the quantiser changes it
        quantize_static(
            source,
            out,
            Reader(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            extra_options={
                # An activation that was taken out could not come back when its layer returns to float.
                "QDQKeepRemovableActivations": True,
                # Ranges are means over the samples, not the widest of any: a fifth less shift on our networks.
                "CalibMovingAverage": True,
            },
        )
        return onnx.load(out)


def quantise_with_nncf(
    model: onnx.ModelProto, samples: Sequence[Array], step: Callable[[], None]
) -> onnx.ModelProto:
    """Convolutions of both kinds and the sums between them, with bias correction (the `quantize` extra)."""
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
        return nncf.quantize(
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


TOOLS: Mapping[str, Tool] = {"onnxruntime": quantise_with_onnxruntime, "nncf": quantise_with_nncf}


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
