"""Lets timm import beside a torch for which torchvision's compiled operators were not built.

timm imports torchvision, and torchvision registers gradients for `nms` at import. With a CPU torch beside the
CUDA torchvision that package indexes hand out, the operators are absent and the import dies with "operator
torchvision::nms does not exist". Declaring their schemas is enough: nothing here calls them.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import torch

__all__ = ["declare_torchvision_operators"]

_SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
_libraries: list[torch.library.Library] = []  # a library that is collected takes its operators with it


def declare_torchvision_operators() -> bool:
    """Declare `torchvision::nms` and `qnms` where torch lacks them; returns whether that was needed.

    Call before the first import of timm, torchvision or lightning.
    """
    if _libraries or "torchvision" in sys.modules or importlib.util.find_spec("torchvision") is None:
        return False
    if _compiled_operators_load():
        return False
    library = torch.library.Library("torchvision", "DEF")
    for schema in _SCHEMAS.values():
        library.define(schema)
    _libraries.append(library)
    return True


def _compiled_operators_load() -> bool:
    """Whether torchvision's own extension fits this torch; loading it twice is harmless."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or not spec.submodule_search_locations:
        return False
    for extension in sorted(Path(spec.submodule_search_locations[0]).glob("_C*.so")):
        try:
            torch.ops.load_library(str(extension))
        except OSError:
            return False
    return hasattr(torch.ops.torchvision, "nms")
