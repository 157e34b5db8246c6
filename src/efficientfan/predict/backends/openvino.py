"""Landmark models (`.onnx`) on OpenVINO. Needs the `openvino` extra."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from efficientfan.errors import InputError, MissingDependencyError, check_number, first_line, needs_extra
from efficientfan.predict.backends.base import (
    BackendOutput,
    Port,
    check_graph,
    check_options,
    precision_in_use,
    run_checked,
    spec_text,
    split_device,
)
from efficientfan.predict.backends.operators import refuse_loops
from efficientfan.spec import METADATA_KEY, ModelSpec

__all__ = ["OpenVinoBackend", "shared_core"]

Array = NDArray[Any]


def shared_core() -> Any:
    """OpenVINO's core: one for the process, which is never released.

    A core gives its thread a stack for signal handlers. Where two are released in the order in which they were made,
    the first one's stack is put back when it is gone (OpenVINO 2026.4), and the next signal, of Ctrl-C or of a child
    that ended, kills the process.
    """
    import openvino

    return _core_of(openvino.Core, os.getpid())


@functools.cache
def _core_of(kind: type[Any], process: int) -> Any:
    """Of a process: in a fork the threads of its parent's core are not there."""
    return kind()


class OpenVinoBackend:
    """The same `.onnx` files as `OnnxBackend`, float or quantized; the faster engine on Intel and AMD processors.

    Args:
        path: the `.onnx` file.
        device: "cpu", "gpu" or "gpu:1" (Intel's); a device that is not available is an error.
        threads: processor threads in all; None takes all cores.
        precision: "f32"; "bf16", which is faster where the processor has it, and moves points by up to half a crop
            pixel; "auto", OpenVINO's choice (bf16 where the processor has it). Int8 layers of a file stay int8.
        streams: runs that are computed at once, each by its share of the threads; further ones wait. More faces per
            second than one run after the other by all threads, for callers of several threads.

    Raises:
        InputError: the file is missing, not ONNX, damaged, or not one of efficientfan; an unknown device, or a
            precision that the device does not have; or fewer than one stream.
        MissingDependencyError: OpenVINO is not installed, or the device is not available.
    """

    name = "openvino"
    runs_overlap: ClassVar[bool] = False

    def __init__(
        self,
        path: str | Path,
        device: str = "cpu",
        threads: int | None = None,
        precision: str = "f32",
        streams: int = 1,
    ) -> None:
        check_options(threads, precision)
        check_number("streams", streams, 1, whole=True)
        with needs_extra("openvino", "backend 'openvino' needs"):
            self._core = shared_core()
        self.path = Path(path)
        self.device = device
        self._target = _target(self._core, device)
        if precision == "bf16" and "BF16" not in self._core.get_property(
            self._target, "OPTIMIZATION_CAPABILITIES"
        ):
            raise InputError(f"device {device!r} has no bf16 arithmetic; use precision f32")
        self._config = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": str(streams)}
        if precision != "auto":
            self._config["INFERENCE_PRECISION_HINT"] = precision
        if threads is not None and device == "cpu":
            self._config["INFERENCE_NUM_THREADS"] = str(threads)
        self._model = _read(self._core, self.path)
        where = str(path)
        entry = ["framework", METADATA_KEY]
        try:
            text = self._model.get_rt_info(entry).astype(str) if self._model.has_rt_info(entry) else None
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: its metadata is not UTF-8 text; the file is damaged") from error
        self.spec = ModelSpec.from_json(spec_text(text, where), where)
        check_graph(_ports(self._model.inputs), _ports(self._model.outputs), self.spec, where)
        _join_blocks(self._model)
        self.streams = streams
        self._free: dict[bool, SimpleQueue[Any]] = {}
        self._compiling = Lock()
        single = self._compiled(alone=True)
        floats = single.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        self.precision = precision_in_use(self.spec, floats)
        self.threads: int | None = (
            max(1, int(single.get_property("INFERENCE_NUM_THREADS")) // streams) if device == "cpu" else None
        )

    def run(self, crops: Array) -> BackendOutput:
        """See `Backend.run`.

        Raises:
            InputError: crops of another shape or type than (N, S, S, 3) uint8.
        """
        return run_checked(crops, self.spec, self._infer)

    def _infer(self, crops: Array) -> list[Array]:
        free = self._requests(alone=len(crops) == 1)
        request = free.get()  # takes one batch at a time
        try:
            found = request.infer({"crops": crops})
            return [np.array(found[name]) for name in self.spec.outputs]
        finally:
            free.put(request)

    def _requests(self, *, alone: bool) -> SimpleQueue[Any]:
        """Those that are free, one per stream; made on first use."""
        with self._compiling:
            if alone not in self._free:
                self._compiled(alone=alone)
            return self._free[alone]

    def _compiled(self, *, alone: bool) -> Any:
        """Compile a graph. A single face has its own, a quarter faster than that of a free batch size."""
        model = self._model
        if alone:
            model = model.clone()
            side = self.spec.input_size
            model.reshape([1, side, side, 3])
        compiled = self._core.compile_model(model, self._target, self._config)
        free: SimpleQueue[Any] = SimpleQueue()
        for _ in range(self.streams):
            free.put(compiled.create_infer_request())
        self._free[alone] = free
        return compiled


def _target(core: Any, device: str) -> str:
    """OpenVINO's name of an available device."""
    kind, number = split_device(device, "OpenVINO", ("cpu", "gpu", "gpu:N"))
    found = core.available_devices
    target = kind.upper() if number is None else f"{kind.upper()}.{number}"
    if not any(each == target or each.startswith(f"{target}.") for each in found):
        raise MissingDependencyError(
            f"device {device!r}: OpenVINO finds only {', '.join(found).lower() or 'none'} here; install the device's "
            "driver, or use device 'cpu'"
        )
    return target


def _read(core: Any, path: Path) -> Any:
    if not path.is_file():
        raise InputError(f"{path}: no such model file")
    refuse_loops(path)
    try:
        return core.read_model(path)
    except RuntimeError as error:
        raise InputError(
            f"{path}: is not an ONNX model that can be run, or is damaged ({first_line(error)})"
        ) from error


def _join_blocks(model: Any) -> None:
    """Put DepthToSpace in place of the five operators that `split_upsampling` wrote, which OpenVINO runs one by one."""
    from openvino import opset13 as ops

    for last in model.get_ordered_ops():
        chain, node = [], last
        for kind, order in _BLOCK:
            if node.get_type_name() != kind:
                break
            if order and node.input_value(1).get_node().get_vector().tolist() != order:
                break
            chain.append(node)
            node = node.input_value(0).get_node()
        if len(chain) == len(_BLOCK):
            joined = ops.depth_to_space(chain[-1].input_value(0), "blocks_first", 2)
            last.output(0).replace(joined.output(0))


_BLOCK = (
    ("Transpose", [0, 3, 1, 2]),
    ("Reshape", None),
    ("Transpose", [0, 1, 3, 2, 4]),
    ("Reshape", None),
    ("Transpose", [0, 2, 3, 1]),
)
"""Operators and orders of axes, last to first."""


def _ports(nodes: list[Any]) -> dict[str, Port]:
    return {
        name: Port(
            node.element_type.to_dtype().name,
            tuple(None if side.is_dynamic else side.get_length() for side in node.partial_shape),
        )
        for node in nodes
        for name in node.names
    }
