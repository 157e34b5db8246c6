"""Weights and spec in one safetensors file."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from efficientfan.errors import InputError, MissingDependencyError, first_line
from efficientfan.extension import is_reference, located
from efficientfan.files import write_bytes
from efficientfan.models.deployed import DeployedNet
from efficientfan.models.detector import FaceDetectorNet, build_detector_network
from efficientfan.models.network import LandmarkNet
from efficientfan.models.zoo import build_network
from efficientfan.schema import LandmarkSchema
from efficientfan.spec import METADATA_KEY, DetectorSpec, ModelSpec, read_spec

__all__ = [
    "is_detector",
    "load_checkpoint",
    "load_detector_checkpoint",
    "read_tensors",
    "save_checkpoint",
    "save_tensors",
    "start_detector_from",
    "start_from",
]

logger = logging.getLogger(__name__)

NetworkT = TypeVar("NetworkT", bound=nn.Module)


def save_checkpoint(path: str | Path, network: nn.Module, spec: ModelSpec | DetectorSpec) -> None:
    """Write a network's weights and its spec atomically."""
    save_tensors(
        path,
        {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()},
        spec,
    )


def save_tensors(path: str | Path, tensors: dict[str, Tensor], spec: ModelSpec | DetectorSpec) -> None:
    """Write weights by name, on the CPU, and their spec, atomically."""
    write_bytes(path, save(tensors, metadata={METADATA_KEY: spec.to_json()}), durable=True)


def read_tensors(path: str | Path) -> tuple[dict[str, Tensor], ModelSpec | DetectorSpec]:
    """The tensors and the spec of a checkpoint.

    Raises:
        InputError: missing, damaged, or written by something else.
    """
    if Path(path).suffix.lower() == ".onnx":
        raise InputError(
            f"{path}: is an exported model; a .safetensors file of `efficientfan train` is needed (packaged models are "
            "ONNX files: they can be neither start nor teacher)"
        )
    try:
        tensors, metadata = _read_tensor_file(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    except SafetensorError as error:
        raise InputError(f"{path}: is not a whole safetensors file ({error})") from error
    if METADATA_KEY not in metadata:
        raise InputError(f"{path}: holds no {METADATA_KEY}; it was not written by efficientfan")
    return tensors, read_spec(metadata[METADATA_KEY], where=str(path))


def load_checkpoint(path: str | Path, *, code: str | Path | None = None) -> tuple[LandmarkNet, ModelSpec]:
    """Rebuild the landmark network that `save_checkpoint` wrote, in eval mode.

    Args:
        path: the file.
        code: folder of the `.py` files that the file names, where its network or head is the user's own: they are run.
            None never imports anything.

    Raises:
        InputError: missing, damaged, written by something else, a detector's, weights that do not fit the spec, or code
            is named and no folder is given.
    """
    tensors, spec = _landmark_tensors(path)
    own = [value for value in spec.network.values() if is_reference(value)]
    if own and code is None:
        raise InputError(
            f"{path}: its network is its author's own code ({', '.join(own)}), and a model file never imports code; "
            f"if it is yours, convert it: efficientfan export {path} --code FOLDER"
        )
    arguments = _arguments(spec, path)
    with _spec_in_use(path):
        network = build_network(
            **(arguments if code is None else located(arguments, Path(code))),
            n_landmarks=spec.schema.n_landmarks,
        )
        DeployedNet(network, spec)  # its decoder
    return _filled(network, tensors, path), spec


def load_detector_checkpoint(path: str | Path) -> tuple[FaceDetectorNet, DetectorSpec]:
    """Rebuild the detector that `save_checkpoint` wrote, in eval mode; errors as `load_checkpoint`."""
    tensors, spec = _detector_tensors(path)
    arguments = _arguments(spec, path)
    with _spec_in_use(path):
        network = build_detector_network(**arguments)
    return _filled(network, tensors, path), spec


def _arguments(spec: ModelSpec | DetectorSpec, path: str | Path) -> dict[str, Any]:
    """Of the function that builds the network; how it starts is not the file's business, which holds its weights."""
    if "init" in spec.network:
        raise InputError(f"{path}: its model spec is damaged: a network in it has no 'init'")
    return dict(spec.network)


def is_detector(path: str | Path) -> bool:
    """Whether a checkpoint is of a face detector; errors as `read_tensors`."""
    return isinstance(read_tensors(path)[1], DetectorSpec)


def _landmark_tensors(path: str | Path) -> tuple[dict[str, Tensor], ModelSpec]:
    tensors, spec = read_tensors(path)
    if not isinstance(spec, ModelSpec):
        raise InputError(f"{path}: is a face detector; a landmark model's checkpoint is needed")
    return tensors, spec


def _detector_tensors(path: str | Path) -> tuple[dict[str, Tensor], DetectorSpec]:
    tensors, spec = read_tensors(path)
    if not isinstance(spec, DetectorSpec):
        raise InputError(f"{path}: is a landmark model; a face detector's checkpoint is needed")
    return tensors, spec


@contextmanager
def _spec_in_use(path: str | Path) -> Iterator[None]:
    """What a spec of strange values raises in this block, as an `InputError` of one line that names the file."""
    try:
        yield
    except MissingDependencyError:
        raise
    except Exception as error:  # the values reach constructors of torch and timm, which raise all sorts
        raise InputError(f"{path}: its model spec is of no use ({first_line(error)})") from error


def _filled(network: NetworkT, tensors: dict[str, Tensor], path: str | Path) -> NetworkT:
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise InputError(f"{path}: its weights do not fit its own spec ({first_line(error)})") from error
    return network.eval()


def start_from(path: str | Path, network: LandmarkNet, schema: LandmarkSchema) -> None:
    """Give a network the weights of a checkpoint, to go on training from there.

    The checkpoint must be a part of the network; what it lacks, such as a new head, keeps its fresh weights. Its
    visibility head is left out where the network has none. The encoder's `mean` and `std` become the checkpoint's.

    Raises:
        InputError: unreadable, of another schema, or weights that the network has no place for.
    """
    tensors, spec = _landmark_tensors(path)
    if spec.schema.landmarks != schema.landmarks:
        raise InputError(
            f"{path}: has landmarks of {spec.schema.name!r}, but {schema.name!r} is to be trained"
        )
    if network.visibility is None:
        tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith("visibility.")}
    _fill_from(path, network, tensors, spec)


def start_detector_from(path: str | Path, network: FaceDetectorNet) -> None:
    """As `start_from`, for a face detector.

    Raises:
        InputError: unreadable, a landmark model's, or weights that the network has no place for.
    """
    tensors, spec = _detector_tensors(path)
    _fill_from(path, network, tensors, spec)


def _fill_from(
    path: str | Path,
    network: LandmarkNet | FaceDetectorNet,
    tensors: dict[str, Tensor],
    spec: ModelSpec | DetectorSpec,
) -> None:
    own = network.state_dict()
    strange = [name for name, tensor in tensors.items() if name not in own or own[name].shape != tensor.shape]
    if strange:
        raise InputError(
            f"{path}: {len(strange)} of its weights do not fit this network, such as {strange[0]!r}; start from a "
            f"checkpoint of the same network (it holds {spec.network['name']!r})"
        )
    network.load_state_dict({**own, **tensors})
    network.encoder.mean, network.encoder.std = spec.mean, spec.std  # of the crops that it has learned from
    logger.info("%d weights from %s, %d fresh", len(tensors), path, len(own) - len(tensors))


def _read_tensor_file(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors by name, on the CPU, and the metadata of a safetensors file.

    Raises:
        OSError: the file cannot be read.
        SafetensorError: it is damaged, or of another format.
    """
    with safe_open(str(path), framework="pt") as file:
        names = file.keys()  # an open file is no mapping: it cannot be iterated over itself
        return {name: file.get_tensor(name) for name in names}, file.metadata() or {}
