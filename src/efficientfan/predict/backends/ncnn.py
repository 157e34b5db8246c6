"""Files for phones on ncnn, as `efficientfan export --format ncnn` writes them. Needs the `mobile` extra."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from efficientfan.errors import InputError, needs_extra
from efficientfan.files import read_json, sha256_of
from efficientfan.predict.backends.base import (
    BackendOutput,
    check_options,
    run_checked,
    spec_text,
)
from efficientfan.spec import METADATA_KEY, ModelSpec

__all__ = ["NcnnBackend", "ncnn_files"]

Array = NDArray[Any]


def ncnn_files(path: str | Path) -> tuple[Path, Path, Path]:
    """The three files of a model: its graph (.param), its weights (.bin), and its spec (.json), all of one stem."""
    graph = Path(path)
    return graph, graph.with_suffix(".bin"), graph.with_suffix(".json")


class NcnnBackend:
    """A `.param` file of `efficientfan export --format ncnn`, with its `.bin` and `.json` beside it.

    Args:
        path: the `.param` file.
        device: "cpu".
        threads: processor threads of one run; None leaves it to ncnn (all large cores).
        precision: "f32", or "auto", which is the same here.

    Raises:
        InputError: a file is missing, damaged, or not one of efficientfan; or an unknown device or precision.
        MissingDependencyError: ncnn is not installed.
    """

    name = "ncnn"
    device = "cpu"
    precision = "f32"
    runs_overlap: ClassVar[bool] = False

    def __init__(
        self, path: str | Path, device: str = "cpu", threads: int | None = None, precision: str = "f32"
    ) -> None:
        check_options(threads, precision)
        if device != "cpu":
            raise InputError(f"unknown device {device!r}; ncnn runs on cpu here")
        if precision == "bf16":
            raise InputError("ncnn runs in f32 only here; for bf16 use --backend openvino")
        with needs_extra("mobile", "backend 'ncnn' needs"):
            import ncnn
        self.path, weights, about = ncnn_files(path)
        for file in (self.path, weights, about):
            if not file.is_file():
                raise InputError(f"{file}: no such file; an ncnn model is a .param, a .bin and a .json file")
        self.spec = _read_spec(self.path, weights, about)
        self._ncnn = ncnn
        self._net = ncnn.Net()
        if threads is not None:
            self._net.opt.num_threads = threads
        self.threads: int | None = self._net.opt.num_threads
        for option in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage"):
            setattr(self._net.opt, option, False)
        if self._net.load_param(str(self.path)) or self._net.load_model(str(weights)):
            raise InputError(f"{path}: ncnn cannot read it; export it anew by `efficientfan export`")

    def run(self, crops: Array) -> BackendOutput:
        """See `Backend.run`.

        Raises:
            InputError: crops of another shape or type than (N, S, S, 3) uint8.
        """
        return run_checked(crops, self.spec, self._infer)

    def _infer(self, crops: Array) -> list[Array]:
        faces = [self._one(crop) for crop in crops]  # ncnn knows no batches
        return [np.stack(arrays) for arrays in zip(*faces, strict=True)]

    def _one(self, crop: Array) -> list[Array]:
        extractor = self._net.create_extractor()
        planes = np.ascontiguousarray(crop.transpose(2, 0, 1), dtype=np.float32)
        extractor.input("crops", self._ncnn.Mat(planes))
        outputs = []
        for name in self.spec.outputs:
            failed, found = extractor.extract(name)
            if failed:
                raise InputError(f"{self.path}: its graph has no {name!r}; export it anew")
            outputs.append(np.array(found))
        return outputs


def _read_spec(graph: Path, weights: Path, about: Path) -> ModelSpec:
    """The spec, once the files are known to be those that were exported: ncnn itself does not notice damage."""
    table = read_json(about)
    if not isinstance(table, dict):
        raise InputError(f"{about}: is no JSON object; export it anew by `efficientfan export`")
    spec = ModelSpec.from_json(spec_text(table.get(METADATA_KEY), str(about)), str(about))
    for file in (graph, weights):
        if table.get(file.suffix) != sha256_of(file):
            raise InputError(f"{file}: is not the file that {about.name} was written with; export it anew")
    return spec
