"""Weights and spec in one safetensors file."""

from __future__ import annotations

import logging
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save
from torch import Tensor

from efficientfan.errors import InputError
from efficientfan.files import write_bytes
from efficientfan.models.network import LandmarkNet
from efficientfan.models.tensor_file import read_tensor_file
from efficientfan.models.zoo import build_network
from efficientfan.schema import LandmarkSchema
from efficientfan.spec import METADATA_KEY, ModelSpec

__all__ = ["load_checkpoint", "read_tensors", "save_checkpoint", "start_from"]

logger = logging.getLogger(__name__)


def save_checkpoint(path: str | Path, network: LandmarkNet, spec: ModelSpec) -> None:
    """Write a network's weights and its spec atomically."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    write_bytes(path, save(tensors, metadata={METADATA_KEY: spec.to_json()}))


def read_tensors(path: str | Path) -> tuple[dict[str, Tensor], ModelSpec]:
    """The tensors and the spec of a checkpoint.

    Raises:
        InputError: missing, damaged, or written by something else.
    """
    try:
        tensors, metadata = read_tensor_file(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    except SafetensorError as error:
        raise InputError(f"{path}: is not a whole safetensors file ({error})") from error
    if METADATA_KEY not in metadata:
        raise InputError(f"{path}: holds no {METADATA_KEY}; it was not written by efficientfan")
    return tensors, ModelSpec.from_json(metadata[METADATA_KEY], where=str(path))


def load_checkpoint(path: str | Path) -> tuple[LandmarkNet, ModelSpec]:
    """Rebuild the network that `save_checkpoint` wrote, in eval mode.

    Raises:
        InputError: missing, damaged, written by something else, or weights that do not fit the spec.
    """
    tensors, spec = read_tensors(path)
    network = build_network(**spec.network, n_landmarks=spec.schema.n_landmarks)
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise InputError(f"{path}: its weights do not fit its own spec ({error})") from error
    return network.eval(), spec


def start_from(path: str | Path, network: LandmarkNet, schema: LandmarkSchema) -> None:
    """Give a network the weights of a checkpoint, to go on training from there.

    The checkpoint must be a part of the network; what it lacks, such as a new head, keeps its fresh weights.

    Raises:
        InputError: unreadable, of another schema, or weights that the network has no place for.
    """
    tensors, spec = read_tensors(path)
    if spec.schema.landmarks != schema.landmarks:
        raise InputError(
            f"{path}: has landmarks of {spec.schema.name!r}, but {schema.name!r} is to be trained"
        )
    own = network.state_dict()
    strange = [name for name, tensor in tensors.items() if name not in own or own[name].shape != tensor.shape]
    if strange:
        raise InputError(
            f"{path}: {len(strange)} of its weights do not fit this network, such as {strange[0]!r}; start from a "
            f"checkpoint of the same network (it holds {spec.network['name']!r})"
        )
    network.load_state_dict({**own, **tensors})
    logger.info("%d weights from %s, %d fresh", len(tensors), path, len(own) - len(tensors))
