"""ONNX files on ONNX Runtime: landmark models as a backend, and the session that detectors use too."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import onnxruntime as ort
from numpy.typing import NDArray

from efficientfan.errors import InputError, MissingDependencyError, first_line
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
from efficientfan.spec import METADATA_KEY, DetectorSpec, ModelSpec, read_spec

__all__ = ["OnnxBackend", "metadata_of", "open_session", "read_graph_spec"]

Array = NDArray[Any]

KINDS = {"tensor(uint8)": "uint8", "tensor(float)": "float32"}

_WAITING = {"session.force_spinning_stop": "1", "session.intra_op.spin_duration_us": "100"}
"""How idle threads of a session wait: by spinning for the next operator of a run, asleep between runs. By default they
spin for tens of milliseconds, and take the cores from the session that runs next. ONNX Runtime before 1.26 passes over
the second setting."""


class OnnxBackend:
    """A model file that `efficientfan export` or `efficientfan quantize` wrote.

    Args:
        path: the `.onnx` file.
        device: "cpu", "cuda" or "cuda:1"; a device that is not available is an error, never replaced by another.
        threads: processor threads of one run; None leaves it to ONNX Runtime (all cores).
        precision: "f32", or "auto", which is the same here.

    Raises:
        InputError: the file is missing, not ONNX, damaged, or not one of efficientfan; or an unknown device or
            precision.
        MissingDependencyError: the device's provider is not installed or does not start.
    """

    name = "onnxruntime"
    runs_overlap: ClassVar[bool] = True

    def __init__(
        self, path: str | Path, device: str = "cpu", threads: int | None = None, precision: str = "f32"
    ) -> None:
        check_options(threads, precision)
        if precision == "bf16":
            raise InputError(
                "ONNX Runtime runs in f32 only; for bf16 use --backend openvino (or torch, with a checkpoint)"
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
        return run_checked(crops, self.spec, lambda batch: self._session.run(names, {"crops": batch}))


def _ports(nodes: list[Any]) -> dict[str, Port]:
    """The inputs or outputs of a session; ONNX Runtime writes a free axis as a name or None."""
    return {
        node.name: Port(
            KINDS.get(node.type, node.type),
            tuple(side if isinstance(side, int) else None for side in node.shape),
        )
        for node in nodes
    }


_NO_TEXT = "its metadata is not UTF-8 text; the file is damaged"


def open_session(path: Path, device: str = "cpu", threads: int | None = None) -> ort.InferenceSession:
    """Open an ONNX file on a device, without a fallback.

    Args:
        path: the `.onnx` file.
        device: "cpu", "cuda" or "cuda:1".
        threads: processor threads of one run; None leaves it to ONNX Runtime.

    Raises:
        InputError: the file is missing, not ONNX or damaged; or an unknown device.
        MissingDependencyError: the device's provider is not installed or does not start.
    """
    provider, options = _provider(device)
    if not path.is_file():
        raise InputError(f"{path}: no such model file")
    refuse_loops(path)
    settings = ort.SessionOptions()
    settings.log_severity_level = 4  # errors are raised; the log would repeat them
    if threads is not None:
        settings.intra_op_num_threads = threads
    settings.enable_mem_pattern = False  # else every size of photo and batch keeps a block of memory
    for key, value in _WAITING.items():
        settings.add_session_config_entry(key, value)
    try:
        # Its fallback would print to standard output, where results go, what a model made it say.
        session = ort.InferenceSession(
            str(path), settings, providers=[(provider, options)], enable_fallback=0
        )
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: {_NO_TEXT}") from error
    except Exception as error:  # ONNX Runtime's errors have no common base class
        raise InputError(
            f"{path}: is not an ONNX model that can be run, or is damaged ({first_line(error)})"
        ) from error
    if provider not in session.get_providers():
        raise MissingDependencyError(
            f"{provider} is installed but did not start: check its driver and libraries"
        )
    return session


def read_graph_spec(path: Path) -> ModelSpec | DetectorSpec:
    """The spec inside an ONNX file of efficientfan, for landmarks or face detection.

    Raises:
        InputError: the file is missing, not ONNX, damaged, or not one of efficientfan.
    """
    return read_spec(metadata_of(open_session(path, threads=1), str(path)), where=str(path))


def metadata_of(session: ort.InferenceSession, where: str) -> str:
    """The text of the spec in an open file.

    Raises:
        InputError: it has none, or its metadata is not UTF-8.
    """
    try:
        metadata = session.get_modelmeta().custom_metadata_map
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: {_NO_TEXT}") from error
    return spec_text(metadata.get(METADATA_KEY), where)


def _provider(device: str) -> tuple[str, dict[str, Any]]:
    kind, number = split_device(device, "ONNX Runtime", ("cpu", "cuda", "cuda:N"))
    if kind == "cpu":
        return "CPUExecutionProvider", {}
    if "CUDAExecutionProvider" not in ort.get_available_providers():
        raise MissingDependencyError(
            f"device {device!r}: this ONNX Runtime has no CUDA; pip uninstall onnxruntime && pip install "
            "onnxruntime-gpu, or use device 'cpu'"
        )
    return "CUDAExecutionProvider", {"device_id": number or 0}
