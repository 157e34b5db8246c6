"""What is measured: model files, each on the engines that can run it here."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from efficientfan.benchmark.machine import has_bf16
from efficientfan.benchmark.macs import count_macs
from efficientfan.benchmark.timing import TimedJob, timed
from efficientfan.errors import InputError, MissingDependencyError
from efficientfan.predict.backends import ENGINES, Backend, open_backend
from efficientfan.predict.backends.ncnn import ncnn_files
from efficientfan.weights import find_model, list_models

__all__ = ["Subject", "choose_subjects", "crop_job", "macs_of"]

Array = NDArray[Any]

_HALVES = {"openvino", "torch"}
"""Engines that can compute in bfloat16."""


@dataclass(frozen=True)
class Subject:
    """A model file on an engine.

    Attributes:
        path: of the file.
        engine: one of `predict.backends.ENGINES`, also the name of its package.
        precision: of what the file holds as float: "f32" or "bf16".
        device: "cpu", "cuda", ...
    """

    path: Path
    engine: str
    precision: str = "f32"
    device: str = "cpu"

    @property
    def file_bytes(self) -> int:
        """Size of the file; of ncnn's, with the weights beside it."""
        files = ncnn_files(self.path)[:2] if self.engine == "ncnn" else [self.path]
        return sum(file.stat().st_size for file in files)

    @property
    def name(self) -> str:
        """Such as "mobilefan_128 openvino bf16"."""
        return " ".join([self.path.stem, self.engine, self.precision])

    def open(self, threads: int) -> Backend:
        """The model, ready to run."""
        return open_backend(
            self.path, backend=self.engine, device=self.device, threads=threads, precision=self.precision
        )


def choose_subjects(
    models: Iterable[str | Path],
    engines: Sequence[str] = (),
    precisions: Sequence[str] = (),
    device: str = "cpu",
    *,
    every_model: bool = False,
) -> list[Subject]:
    """Every supported combination of models, engines and precisions, each once.

    Args:
        models: packaged names or paths.
        engines: of `predict.backends.ENGINES`; none means all that are installed.
        precisions: "f32", "bf16"; an engine without the latter is left out of it. None means f32, with `every_model`
            bf16 too where engine and processor have it.
        device: where.
        every_model: add all packaged models.

    Raises:
        InputError: an unknown model or engine, two models of one file name, or nothing is left to measure.
        MissingDependencyError: an engine that was asked for is not installed.
    """
    for engine in engines:
        if engine not in ENGINES:
            raise InputError(f"unknown engine {engine!r}; known are {', '.join(ENGINES)}")
        if find_spec(engine) is None:
            raise MissingDependencyError(f"engine {engine} is not installed: pip install {engine}")
    chosen = engines or [engine for engine in ENGINES if find_spec(engine) is not None]
    halves = {engine: engine in _HALVES if precisions else has_bf16(engine) for engine in chosen}
    precisions = precisions or (("f32", "bf16") if every_model else ("f32",))
    paths: dict[Path, Path] = {}
    for name in [*models, *(list_models() if every_model else [])]:
        path = find_model(name)
        paths.setdefault(path.resolve(), path)
    subjects = {
        Subject(path, engine, precision, device): None
        for path, engine, precision in itertools.product(paths.values(), chosen, precisions)
        if path.suffix.lower() == ENGINES[engine][2] and (precision == "f32" or halves[engine])
    }
    if not subjects:
        raise InputError(
            f"nothing to measure: none of {', '.join(chosen)} runs {', '.join(p.name for p in paths.values())} in "
            f"{', '.join(precisions)} (onnxruntime and openvino run .onnx, torch .safetensors, "
            "ncnn .param)"
        )
    named: dict[str, Path] = {}
    for subject in subjects:
        other = named.setdefault(subject.name, subject.path)
        if other != subject.path:
            raise InputError(
                f"two models have one file name: {other} and {subject.path}; figures go by it, so rename one"
            )
    return list(subjects)


def crop_job(key: str, run: Callable[[Array], object], crops: Array, batch: int) -> TimedJob:
    """A job that runs batches of `crops` in turn, starting over at the end."""
    rows = itertools.cycle(range(len(crops)))
    batches = [crops[list(itertools.islice(rows, batch))] for _ in range(max(1, len(crops) // batch))]
    turns = itertools.cycle(batches)
    return TimedJob(key, timed(lambda: run(next(turns))), faces=batch)


def macs_of(path: Path, input_size: int) -> int | None:
    """Multiply-accumulates of one face, or None where it cannot be counted."""
    try:
        if path.suffix.lower() == ".onnx":
            return count_macs(path)
        if path.suffix.lower() != ".safetensors":
            return None
        from efficientfan.models.checkpoint import load_checkpoint
        from efficientfan.models.network import summarize
    except ImportError:
        return None
    return summarize(load_checkpoint(path)[0], input_size).macs
