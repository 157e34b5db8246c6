"""Our exported ONNX files on ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from efficientfan.errors import InputError
from efficientfan.predict.backend import BackendOutput
from efficientfan.predict.contract import Port, answer, check_graph, check_options, precision_in_use
from efficientfan.predict.onnx_session import metadata_of, open_session
from efficientfan.spec import ModelSpec

__all__ = ["OnnxBackend"]

Array = NDArray[Any]

KINDS = {"tensor(uint8)": "uint8", "tensor(float)": "float32"}


class OnnxBackend:
    """A model file that `efficientfan export` or `efficientfan quantize` wrote.

    Args:
        path: the `.onnx` file.
        device: "cpu", "cuda" or "cuda:1"; a device that is not there is an error, never replaced by another.
        threads: processor threads for one run; None leaves it to ONNX Runtime (all cores).
        precision: "f32", or "auto", which is the same here.

    Raises:
        InputError: the file is missing, not ONNX, damaged, or not one of ours; or an unknown device or precision.
        MissingDependencyError: the device's provider is not installed or does not start.
    """

    name = "onnxruntime"

    def __init__(
        self, path: str | Path, device: str = "cpu", threads: int | None = None, precision: str = "f32"
    ) -> None:
        check_options(threads, precision)
        if precision == "bf16":
            raise InputError(
                "ONNX Runtime computes our files in f32; for bf16 take --backend openvino (or torch, with a checkpoint)"
            )
        self.path = Path(path)
        self.device = device
        self.threads = threads
        self._session = open_session(self.path, device, threads)
        where = str(path)
        self.spec = ModelSpec.from_json(metadata_of(self._session, where), where)
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        check_graph(_ports(inputs), _ports(outputs), self.spec, where)
        self.precision = precision_in_use(self.spec, "f32")

    def run(self, crops: Array) -> BackendOutput:
        """See `Backend.run`.

        Raises:
            InputError: crops of another shape or type than (N, S, S, 3) uint8.
        """
        names = list(self.spec.outputs)
        return answer(crops, self.spec, lambda batch: self._session.run(names, {"crops": batch}))


def _ports(nodes: list[Any]) -> dict[str, Port]:
    """ONNX Runtime's own words for an input or output; a free axis there is a name or None."""
    return {
        node.name: Port(
            KINDS.get(node.type, node.type),
            tuple(side if isinstance(side, int) else None for side in node.shape),
        )
        for node in nodes
    }
