"""Our exported ONNX files on ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from efficientfan.errors import InputError, MissingDependencyError
from efficientfan.predict.backend import BackendOutput
from efficientfan.spec import METADATA_KEY, ModelSpec
from efficientfan.structures import VISIBILITY_CLASSES

__all__ = ["OnnxBackend"]

Array = NDArray[Any]


class OnnxBackend:
    """A model file that `efficientfan export` wrote.

    Args:
        path: the `.onnx` file.
        device: "cpu", "cuda" or "cuda:1"; a device that is not there is an error, never replaced by another.
        threads: processor threads for one run; None leaves it to ONNX Runtime (all cores).

    Raises:
        InputError: the file is missing, not ONNX, damaged, or not one of ours; or an unknown device.
        MissingDependencyError: the device's provider is not installed or does not start.
    """

    def __init__(self, path: str | Path, device: str = "cpu", threads: int | None = None) -> None:
        if threads is not None and threads < 1:
            raise InputError(f"threads must be at least 1, not {threads}")
        provider, options = _provider(device)
        self.path = Path(path)
        self.device = device
        self._session = _open(self.path, provider, options, threads)
        text = self._session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        if text is None:
            raise InputError(
                f"{path}: is not a model of efficientfan (no spec inside); write one by `efficientfan export`"
            )
        self.spec = ModelSpec.from_json(text, where=str(path))
        _check_graph(self._session, self.spec, str(path))

    def run(self, crops: Array) -> BackendOutput:
        """See `Backend.run`.

        Raises:
            InputError: crops of another shape or type than (N, S, S, 3) uint8.
        """
        side = self.spec.input_size
        if crops.dtype != np.uint8 or crops.shape[1:] != (side, side, 3):
            raise InputError(f"crops are (N, {side}, {side}, 3) uint8, not {crops.shape} {crops.dtype}")
        names = self.spec.outputs
        if not len(crops):
            shapes = _output_shapes(self.spec)
            return BackendOutput(*(np.zeros((0, *shapes[name]), np.float32) for name in names))
        return BackendOutput(*self._session.run(list(names), {"crops": crops}))


def _provider(device: str) -> tuple[str, dict[str, Any]]:
    kind, _, index = device.partition(":")
    if device == "cpu":
        return "CPUExecutionProvider", {}
    if kind != "cuda" or (index and not index.isdecimal()) or device.endswith(":"):
        raise InputError(f"unknown device {device!r}; known are cpu, cuda and cuda:N")
    if "CUDAExecutionProvider" not in ort.get_available_providers():
        raise MissingDependencyError(
            f"device {device!r}: this ONNX Runtime has no CUDA; pip uninstall onnxruntime && pip install "
            "onnxruntime-gpu, or use device 'cpu'"
        )
    return "CUDAExecutionProvider", {"device_id": int(index or 0)}


def _open(path: Path, provider: str, options: dict[str, Any], threads: int | None) -> ort.InferenceSession:
    if not path.is_file():
        raise InputError(f"{path}: no such model file")
    settings = ort.SessionOptions()
    settings.log_severity_level = 4  # what goes wrong is raised; the log would repeat it
    if threads is not None:
        settings.intra_op_num_threads = threads
    try:
        session = ort.InferenceSession(str(path), settings, providers=[(provider, options)])
    except Exception as error:  # ONNX Runtime's errors have no base of their own
        raise InputError(
            f"{path}: is not an ONNX model that can be run, or is damaged ({_first_line(error)})"
        ) from error
    if provider not in session.get_providers():
        raise MissingDependencyError(
            f"{provider} is installed but did not start: check its driver and libraries"
        )
    return session


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:200]


def _output_shapes(spec: ModelSpec) -> dict[str, tuple[int, ...]]:
    """Shape of each output the spec speaks of, without the batch axis."""
    k = spec.schema.n_landmarks
    shapes = {"points": (k, 2), "scores": (k,), "visibility": (k, len(VISIBILITY_CLASSES))}
    return {name: shapes[name] for name in spec.outputs}


def _check_graph(session: ort.InferenceSession, spec: ModelSpec, where: str) -> None:
    """The graph takes and gives what its spec says; an axis that is free in the graph passes."""
    side = spec.input_size
    nodes = {node.name: node for node in (*session.get_inputs(), *session.get_outputs())}
    wanted = {
        "crops": ("tensor(uint8)", (side, side, 3)),
        **{name: ("tensor(float)", shape) for name, shape in _output_shapes(spec).items()},
    }
    for name, (kind, shape) in wanted.items():
        node = nodes.get(name)
        if node is None:
            raise InputError(f"{where}: the graph has no {name!r}; export it anew by `efficientfan export`")
        rest = tuple(node.shape[1:])
        fits = len(rest) == len(shape) and all(
            not isinstance(a, int) or a == b for a, b in zip(rest, shape, strict=True)
        )
        if node.type != kind or not fits or isinstance(node.shape[0], int):
            raise InputError(
                f"{where}: {name!r} is {node.type} {node.shape}, but the spec wants {kind} [N, "
                f"{', '.join(map(str, shape))}]; export it anew"
            )
    if len(session.get_inputs()) != 1:
        raise InputError(f"{where}: the graph takes further inputs beside 'crops'; export it anew")
