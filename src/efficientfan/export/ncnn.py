"""ncnn: a graph for phones, with the spec in a file beside it."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import tempfile
import warnings
from contextlib import ExitStack
from pathlib import Path

import torch
from torch import Tensor, nn

from efficientfan.errors import EfficientFanError, InputError, needs_extra
from efficientfan.export.half_weights import tolerance_of
from efficientfan.export.onnx import ExportReport
from efficientfan.export.parity import measure_backend_parity
from efficientfan.export.usage import USAGE_KEY, file_metadata
from efficientfan.files import atomic_path, sha256_of
from efficientfan.models import load_checkpoint
from efficientfan.models.deployed import DeployedNet
from efficientfan.predict import open_backend
from efficientfan.predict.backends.ncnn import ncnn_files
from efficientfan.spec import ModelSpec

__all__ = ["export_ncnn"]


def export_ncnn(
    checkpoint: str | Path,
    out: str | Path,
    *,
    tolerance: float | None = None,
    name: str | None = None,
    score_threshold: float | None = None,
    half_weights: bool = False,
    code: str | Path | None = None,
) -> ExportReport:
    """Write a landmark checkpoint for ncnn and prove that it agrees with torch.

    Three files of one stem: `.param`, the graph, `.bin`, its weights, and `.json`, spec and usage in words. The graph
    takes `crops`, an S x S `ncnn::Mat` of three float channels, red, green and blue, 0 to 255 (`Mat::from_pixels`),
    and gives the outputs of `export_onnx` for this one face.

    Args:
        checkpoint, tolerance, name, score_threshold, code: see `export_onnx`.
        out: the `.param` file.
        half_weights: store the weights as float16.

    Raises:
        InputError: the checkpoint is unusable, `out` is no `.param` file or cannot be written.
        MissingDependencyError: ncnn or pnnx is not installed.
        EfficientFanError: the converter fails, or its graph disagrees with torch; nothing is written.
    """
    if Path(out).suffix != ".param":
        raise InputError(f"{out}: a graph of ncnn is a .param file")
    network, spec = load_checkpoint(checkpoint, code=code)
    spec = spec.renewed(name=name, score_threshold=score_threshold)
    deployed = DeployedNet(network, spec).eval()
    with tempfile.TemporaryDirectory() as folder:
        made = ncnn_files(Path(folder) / "model.param")
        _convert(deployed, spec, made[0], half_weights=half_weights)
        made[2].write_text(_about(spec, *made[:2]), encoding="utf-8")
        parity = measure_backend_parity(deployed, open_backend(made[0], threads=1))
        if not parity.within(tolerance_of(half_weights) if tolerance is None else tolerance):
            raise EfficientFanError(f"{out}: not written; the graph disagrees with torch: {parity}")
        with ExitStack() as stack:  # renamed in turn, the graph last: it is what is opened
            for file, source in zip(ncnn_files(out), made, strict=True):
                stack.enter_context(atomic_path(file)).write_bytes(source.read_bytes())
    size = sum(file.stat().st_size for file in ncnn_files(out)[:2])
    return ExportReport(Path(out), size, parity)


class _Planes(nn.Module):
    """Takes what `ncnn::Mat` holds: (1, 3, S, S) float, 0 to 255."""

    def __init__(self, deployed: DeployedNet) -> None:
        super().__init__()
        self.deployed = deployed

    def forward(self, planes: Tensor) -> tuple[Tensor, ...]:
        found = self.deployed(planes.permute(0, 2, 3, 1))
        return tuple(output for output in found if output is not None)


def _convert(deployed: DeployedNet, spec: ModelSpec, out: Path, *, half_weights: bool) -> None:
    """Write `out` and its weights by pnnx."""
    with needs_extra("mobile", "--format ncnn needs"):
        import pnnx
    side = spec.input_size
    traced = out.with_name("traced.pt")
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.jit.trace(_Planes(deployed), torch.zeros(1, 3, side, side)).save(str(traced))
    command = [pnnx.EXEC_PATH, traced.name, f"inputshape=[1,3,{side},{side}]", f"fp16={int(half_weights)}"]
    result = subprocess.run(command, cwd=out.parent, capture_output=True, text=True)
    with contextlib.suppress(FileNotFoundError):
        graph = out.with_name("traced.ncnn.param").read_text(encoding="utf-8")
        names = {"in0": "crops"} | {f"out{index}": name for index, name in enumerate(spec.outputs)}
        out.write_text(re.sub(r"\b(in0|out\d)\b", lambda found: names[found[0]], graph), encoding="utf-8")
        out.with_name("traced.ncnn.bin").rename(out.with_suffix(".bin"))
    if result.returncode or not out.with_suffix(".bin").is_file():
        raise EfficientFanError(
            f"pnnx cannot convert this network: {(result.stderr or result.stdout)[-300:]}"
        )


def _about(spec: ModelSpec, graph: Path, weights: Path) -> str:
    """The `.json` file: spec, words, and what the others are known by, since ncnn notices no damage."""
    about = file_metadata(spec)
    about[USAGE_KEY] = (
        f"In ncnn, 'crops' is Mat::from_pixels(crop, Mat::PIXEL_RGB, {spec.input_size}, {spec.input_size}), one "
        f"face; its outputs lack the axis N. {about[USAGE_KEY]}"
    )
    return json.dumps(about | {file.suffix: sha256_of(file) for file in (graph, weights)}, indent=1)
