"""Model files of strangers: ONNX of landmarks and of a detector, and checkpoints."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tiny_model import spec, tiny_graph

from efficientfan.predict.backends import open_backend
from efficientfan.predict.detectors import FaceFinder
from efficientfan.schema import get_schema
from efficientfan.spec import METADATA_KEY, DetectorSpec, ModelSpec
from fuzzing.mutations import damaged, odd_tree

__all__ = ["MODELS"]

IMAGE = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)


class OnnxFile:
    """A graph and its spec. The bytes of either are damaged, or values of the spec are odd.

    Args:
        path: where it is written.
        graph: the model, without a spec.
        text: the spec.
        use: opens and runs the file.
    """

    seconds, megabytes = 10.0, 256.0

    def __init__(self, path: Path, graph: onnx.ModelProto, text: str, use: Callable[[Path], None]) -> None:
        self._path = path
        self._graph = graph
        self._text = text
        self._use = use
        self.run(self._with(text))

    def draw(self, chance: Random) -> bytes:
        if chance.random() < 0.5:
            return self._with(json.dumps(odd_tree(json.loads(self._text), chance)))
        whole = self._with(self._text)
        return damaged(whole, whole, chance)

    def run(self, content: bytes) -> None:
        self._path.write_bytes(content)
        self._use(self._path)

    def _with(self, text: str) -> bytes:
        helper.set_model_props(self._graph, {METADATA_KEY: text})
        return self._graph.SerializeToString()


def _landmarks(folder: Path) -> OnnxFile:
    def use(path: Path) -> None:
        backend = open_backend(path, threads=1)
        side = backend.spec.input_size
        found = backend.run(np.resize(IMAGE, (1, side, side, 3)))
        assert np.isfinite(found.points).all()
        assert np.isfinite(found.scores).all()

    return OnnxFile(folder / "tiny.onnx", tiny_graph(), spec().to_json(), use)


def _detector(folder: Path) -> OnnxFile:
    values = {
        "boxes": np.array([[[4, 4, 20, 22], [5, 4, 21, 22]]], np.float32),
        "scores": np.array([[0.9, 0.6]], np.float32),
    }
    constants = [numpy_helper.from_array(value, name) for name, value in values.items()]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Constant", [], [each.name], value=each) for each in constants],
        "finder",
        [value("images", TensorProto.UINT8, [1, "rows", "columns", 3])],
        [value(each.name, TensorProto.FLOAT, list(each.dims)) for each in constants],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)

    def use(path: Path) -> None:
        found = FaceFinder(path, threads=1).detect(IMAGE)
        assert np.isfinite(found.boxes).all()

    text = DetectorSpec("finder", {}, stride=8, multiple=32, long_sides=(32,)).to_json()
    return OnnxFile(folder / "finder.onnx", model, text, use)


class Checkpoint:
    """A file of `efficientfan train`: its header, its weights, or values of its spec are damaged.

    Networks that are larger than the file's are built before its weights are found not to fit.
    """

    seconds, megabytes = 30.0, 1024.0

    def __init__(self, folder: Path) -> None:
        from safetensors.torch import save

        from efficientfan.models import build_network
        from efficientfan.models.checkpoint import load_checkpoint

        arguments = {"name": "mobilefan_050"}
        network = build_network(**arguments, n_landmarks=5)
        made = ModelSpec(
            "tiny",
            network=arguments,
            schema=get_schema("five"),
            input_size=32,
            stride=4,
            crop_margin=0.25,
            decoder={"name": "softargmax"},
        )
        self._load = load_checkpoint
        self._text = made.to_json()
        self._whole = save(network.state_dict(), metadata={METADATA_KEY: self._text})
        self._path = folder / "model.safetensors"
        self.run(self._whole)

    def draw(self, chance: Random) -> bytes:
        kind = chance.randrange(3)
        length = int.from_bytes(self._whole[:8], "little")
        header, weights = self._whole[8 : 8 + length], self._whole[8 + length :]
        if kind < 2:
            table = json.loads(header)
            if kind == 0:
                spec = json.dumps(odd_tree(json.loads(self._text), chance))
                odd = json.dumps({**table, "__metadata__": {METADATA_KEY: spec}}).encode()
            else:
                odd = json.dumps(odd_tree(table, chance)).encode()
            return len(odd).to_bytes(8, "little") + odd + weights
        return damaged(self._whole[: 8 + length], header, chance) + weights

    def run(self, content: bytes) -> None:
        self._path.write_bytes(content)
        self._load(self._path)


MODELS: dict[str, Callable[[Path], OnnxFile | Checkpoint]] = {
    "landmarks.onnx": _landmarks,
    "detector.onnx": _detector,
    "model.safetensors": Checkpoint,
}
"""Name of a kind -> what makes it in a folder."""
