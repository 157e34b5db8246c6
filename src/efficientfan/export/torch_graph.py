"""From a torch module to an ONNX file with a spec inside, whatever the module computes."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from efficientfan.errors import EfficientFanError
from efficientfan.export.half_weights import halve_weights
from efficientfan.export.usage import file_metadata
from efficientfan.spec import DetectorSpec, ModelSpec

__all__ = ["OPSET", "write_graph"]

OPSET = 18
"""The lowest opset that the exporter writes without conversion, so that older ONNX Runtimes read the file."""


def write_graph(
    module: nn.Module,
    example: Tensor,
    spec: ModelSpec | DetectorSpec,
    path: Path,
    *,
    inputs: dict[str, dict[int, Any]],
    outputs: Sequence[str],
    half_weights: bool = False,
) -> None:
    """Export a module of one input.

    Args:
        module: in eval mode; it returns a plain tuple of tensors.
        example: an input to trace it with.
        spec: goes into the file's metadata, as it is and in words (`file_metadata`).
        path: the file.
        inputs: the input's name -> its free axes, as `torch.export.Dim`s.
        outputs: names of the outputs.
        half_weights: store the weights as float16 (`halve_weights`).

    Raises:
        EfficientFanError: the exporter gave nothing.
    """
    with _quiet():
        program = torch.onnx.export(
            module,
            (example,),
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_shapes=inputs,
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise EfficientFanError("the exporter returned no graph")
    model = program.model_proto
    for entry in (*model.graph.node, *model.functions):
        del entry.metadata_props[:]  # stack traces of the machine that exported
    for value in model.graph.value_info:
        del value.metadata_props[:]
    onnx.helper.set_model_props(model, file_metadata(spec))
    model.producer_name, model.producer_version = "efficientfan", spec.code_version
    if half_weights:
        model = halve_weights(model)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's own chatter; errors still raise."""
    level = logging.getLogger("torch.onnx").level
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), open(os.devnull, "w") as null:
        warnings.simplefilter("ignore")
        with contextlib.redirect_stderr(null):
            try:
                yield
            finally:
                logging.getLogger("torch.onnx").setLevel(level)
