"""Reading safetensors files, whatever they hold."""

from __future__ import annotations

from pathlib import Path

from safetensors import safe_open
from torch import Tensor

__all__ = ["read_tensor_file"]


def read_tensor_file(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors by name, on the CPU, and the metadata of a safetensors file.

    Raises:
        OSError: the file cannot be read.
        SafetensorError: it is damaged, or of another format.
    """
    with safe_open(str(path), framework="pt") as file:
        names = file.keys()  # an open file is no mapping: it cannot be iterated over itself
        return {name: file.get_tensor(name) for name in names}, file.metadata() or {}
