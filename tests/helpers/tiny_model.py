"""A model small enough to be reasoned about, built without torch: 68 points around the red light of a crop.

The points are a fixed oval that fills 1 / 1.25 of the crop, moved by (red's center of mass - crop's center);
every score is the mean of green. So a bright disc is a "face" whose landmarks and score are known exactly.
"visibility", where it is asked for, is the score times (1, 1/4, 0).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from efficientfan.schema import get_schema
from efficientfan.spec import METADATA_KEY, ModelSpec

SIZE = 32
MARGIN = 0.25


def oval() -> np.ndarray:
    """(68, 2) float32 offsets from the center; their tight box has side SIZE / 1.25 exactly."""
    angle = np.arange(68) * 2 * np.pi / 68
    return (np.column_stack([np.cos(angle), np.sin(angle)]) * SIZE / (1 + MARGIN) / 2).astype(np.float32)


def spec(**changes: object) -> ModelSpec:
    values = {
        "name": "tiny",
        "network": {"name": "none"},
        "schema": get_schema("ibug68"),
        "input_size": SIZE,
        "stride": 4,
        "crop_margin": MARGIN,
        "decoder": {"name": "none"},
        "license": "Apache-2.0",
        "training_data": "none",
    }
    return ModelSpec(**(values | changes))


def tiny_graph(
    size: int = SIZE, points_name: str = "points", batch: str | int = "faces", visibility: bool = False
) -> onnx.ModelProto:
    constants = {
        "red": np.array(0, np.int64),
        "green": np.array(1, np.int64),
        "columns": np.arange(size, dtype=np.float32).reshape(1, 1, size),
        "rows": np.arange(size, dtype=np.float32).reshape(1, size, 1),
        "area": np.array([1, 2], np.int64),
        "second": np.array([1], np.int64),
        "little": np.array(1e-3, np.float32),
        "middle": np.array((size - 1) / 2, np.float32),
        "oval": oval()[None],
        "white": np.array(255, np.float32),
        "flat": np.zeros((1, 68), np.float32),
    }
    node = helper.make_node
    nodes = [
        node("Cast", ["crops"], ["light"], to=TensorProto.FLOAT),
        node("Gather", ["light", "red"], ["r"], axis=3),
        node("Add", ["r", "little"], ["weight"]),
        node("ReduceSum", ["weight", "area"], ["total"], keepdims=0),
        *_center("x", "columns"),
        *_center("y", "rows"),
        node("Concat", ["dx", "dy"], ["moved"], axis=1),
        node("Unsqueeze", ["moved", "second"], ["offset"]),
        node("Add", ["offset", "oval"], ["around"]),
        node("Add", ["around", "middle"], [points_name]),
        node("Gather", ["light", "green"], ["g"], axis=3),
        node("ReduceMean", ["g", "area"], ["brightness"], keepdims=0),
        node("Div", ["brightness", "white"], ["score"]),
        node("Unsqueeze", ["score", "second"], ["column"]),
        node("Add", ["column", "flat"], ["scores"]),
    ]
    if visibility:
        constants |= {"last": np.array([2], np.int64), "classes": np.array([1.0, 0.25, 0.0], np.float32)}
        nodes += [
            node("Unsqueeze", ["scores", "last"], ["each"]),
            node("Mul", ["each", "classes"], ["visibility"]),
        ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "tiny",
        [value("crops", TensorProto.UINT8, [batch, size, size, 3])],
        [
            value(points_name, TensorProto.FLOAT, [batch, 68, 2]),
            value("scores", TensorProto.FLOAT, [batch, 68]),
            *([value("visibility", TensorProto.FLOAT, [batch, 68, 3])] if visibility else []),
        ],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def _center(axis: str, ramp: str) -> list[onnx.NodeProto]:
    node = helper.make_node
    return [
        node("Mul", ["weight", ramp], [f"{axis}_weighted"]),
        node("ReduceSum", [f"{axis}_weighted", "area"], [f"{axis}_sum"], keepdims=0),
        node("Div", [f"{axis}_sum", "total"], [f"{axis}_mean"]),
        node("Sub", [f"{axis}_mean", "middle"], [f"{axis}_moved"]),
        node("Unsqueeze", [f"{axis}_moved", "second"], [f"d{axis}"]),
    ]


def write_model(path: Path, graph: onnx.ModelProto | None = None, text: str | None = None) -> Path:
    model = tiny_graph() if graph is None else graph
    helper.set_model_props(model, {METADATA_KEY: spec().to_json() if text is None else text})
    path.write_bytes(model.SerializeToString())
    return path


def disc_photo(
    *discs: tuple[float, float, float],
    size: tuple[int, int] = (160, 120),
    color: tuple[int, int, int] = (240, 200, 0),
) -> np.ndarray:
    """Black photo of `size` (width, height) with discs (x, y, radius), their edges one pixel soft."""
    columns, rows = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    photo = np.zeros((size[1], size[0], 3))
    for x, y, radius in discs:
        inside = np.clip(radius + 0.5 - np.hypot(columns - x, rows - y), 0, 1)
        photo = np.maximum(photo, inside[..., None] * np.array(color))
    return photo.round().astype(np.uint8)
