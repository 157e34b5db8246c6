"""Checkpoints to files that run without torch. Needs the `train` extra."""

from efficientfan.export.onnx import ExportReport, export_onnx

__all__ = ["ExportReport", "export_onnx"]
