"""A landmark network of four convolutions with random weights, built without torch: what is quantized in the tests.

stem (stride 2) -> point -> up (transposed, stride 2) -> head, then soft-argmax over 32 x 32 heatmaps of 32-pixel crops.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from efficientfan.schema import get_schema
from efficientfan.spec import METADATA_KEY, ModelSpec

SIZE = 32
LAYERS = ["stem", "point", "up", "head"]

SPEC = ModelSpec(
    name="tiny", network={"name": "none"}, schema=get_schema("ibug68"), input_size=SIZE, stride=1,
    crop_margin=0.25, decoder={"name": "softargmax"}, license="none", provenance={"recipe": "none"},
)  # fmt: skip


def tiny_network(channels: int = 16) -> onnx.ModelProto:
    rng = np.random.default_rng(0)
    weights = {
        "stem.weight": rng.normal(0, 0.4, (channels, 3, 3, 3)),
        "point.weight": rng.normal(0, 0.35, (channels, channels, 1, 1)),
        "up.weight": rng.normal(0, 0.35, (channels, channels, 2, 2)),
        "head.weight": rng.normal(0, 4 / channels, (68, channels, 1, 1)),
        **{f"{name}.bias": rng.normal(0, 0.1, channels) for name in ("stem", "point", "up")},
        "head.bias": rng.normal(0, 0.1, 68),
        "scale": np.array(1 / 64),
        "offset": np.array(-2),
        "ramp": np.arange(SIZE),
    }
    shapes = {"flat": [0, 68, -1], "square": [0, 68, SIZE, SIZE], "row": [2], "column": [3], "last": [-1]}
    node = helper.make_node
    nodes = [
        node("Transpose", ["crops"], ["turned"], name="turn", perm=[0, 3, 1, 2]),
        node("Cast", ["turned"], ["light"], name="cast", to=TensorProto.FLOAT),
        node("Mul", ["light", "scale"], ["scaled"], name="scaling"),
        node("Add", ["scaled", "offset"], ["normal"], name="moving"),
        node(
            "Conv",
            ["normal", "stem.weight", "stem.bias"],
            ["stem"],
            name="stem",
            strides=[2, 2],
            pads=[1] * 4,
        ),
        node("Relu", ["stem"], ["stem_relu"], name="stem_relu"),
        node("Conv", ["stem_relu", "point.weight", "point.bias"], ["point"], name="point"),
        node("Add", ["point", "stem_relu"], ["sum"], name="sum"),
        node("ConvTranspose", ["sum", "up.weight", "up.bias"], ["up"], name="up", strides=[2, 2]),
        node("Relu", ["up"], ["up_relu"], name="up_relu"),
        node("Conv", ["up_relu", "head.weight", "head.bias"], ["maps"], name="head"),
        node("Reshape", ["maps", "flat"], ["cells"], name="flatten"),
        node("Softmax", ["cells"], ["likely"], name="softmax", axis=2),
        node("ReduceMax", ["likely", "row"], ["scores"], name="best", keepdims=0),
        node("Reshape", ["likely", "square"], ["probability"], name="unflatten"),
        node("ReduceSum", ["probability", "row"], ["columns"], name="over_rows", keepdims=0),
        node("ReduceSum", ["probability", "column"], ["rows"], name="over_columns", keepdims=0),
        node("MatMul", ["columns", "ramp"], ["x"], name="x"),
        node("MatMul", ["rows", "ramp"], ["y"], name="y"),
        node("Unsqueeze", ["x", "last"], ["xs"], name="xs"),
        node("Unsqueeze", ["y", "last"], ["ys"], name="ys"),
        node("Concat", ["xs", "ys"], ["points"], name="points", axis=2),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "tiny",
        [value("crops", TensorProto.UINT8, ["faces", SIZE, SIZE, 3])],
        [
            value("points", TensorProto.FLOAT, ["faces", 68, 2]),
            value("scores", TensorProto.FLOAT, ["faces", 68]),
        ],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in weights.items()]
        + [numpy_helper.from_array(np.array(array, np.int64), name) for name, array in shapes.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    helper.set_model_props(model, {METADATA_KEY: SPEC.to_json()})
    onnx.checker.check_model(model)
    return model


def write_tiny(path: Path, channels: int = 16) -> Path:
    onnx.save(tiny_network(channels), path)
    return path


def smooth_crops(count: int) -> np.ndarray:
    """(count, 32, 32, 3) uint8: smooth colors, which a random network tells apart."""
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 256, (count, 4, 4, 3)).astype(np.uint8)
    return coarse.repeat(SIZE // 4, axis=1).repeat(SIZE // 4, axis=2)
