"""Checkpoints to files that run without torch, and those files to smaller and faster ones.

`export_onnx`, `export_detector` and `halve_checkpoint` need the `train` extra, `export_ncnn` the `mobile` extra too,
`quantize` the `quantize` extra. Names are imported when they are first used, so that none needs another's.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from efficientfan.export.detector import DetectorExport, export_detector
    from efficientfan.export.half_checkpoint import halve_checkpoint
    from efficientfan.export.half_weights import halve_file, halve_weights
    from efficientfan.export.ncnn import export_ncnn
    from efficientfan.export.onnx import ExportReport, export_onnx
    from efficientfan.export.quantization import QuantizationReport, quantize

__all__ = [
    "DetectorExport",
    "ExportReport",
    "QuantizationReport",
    "export_detector",
    "export_ncnn",
    "export_onnx",
    "halve_checkpoint",
    "halve_file",
    "halve_weights",
    "quantize",
]

_HOMES = {
    "detector": ("DetectorExport", "export_detector"),
    "half_checkpoint": ("halve_checkpoint",),
    "half_weights": ("halve_file", "halve_weights"),
    "ncnn": ("export_ncnn",),
    "onnx": ("ExportReport", "export_onnx"),
    "quantization": ("QuantizationReport", "quantize"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
