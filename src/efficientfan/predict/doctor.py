"""Checks of the installation: one finding per line, each good or bad."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from efficientfan.errors import EfficientFanError
from efficientfan.predict import load
from efficientfan.predict.backends import ENGINES, engine_in_words
from efficientfan.predict.detectors import HaarDetector, YuNetDetector, open_detector
from efficientfan.predict.fetch import cache_dir, is_fetched
from efficientfan.version import __version__
from efficientfan.weights import find_model, list_models

__all__ = ["Finding", "examine"]

CORE = ("numpy", "opencv-python-headless", "onnxruntime", "pillow", "rich", "typer")
EXTRAS = {
    "train": ("timm", "lightning", "onnx"),
    "plots": ("matplotlib",),
    "data": ("h5py",),
    "quantize": ("nncf",),
    "video": ("av",),
    "serve": ("fastapi",),
    "client": ("httpx2",),
    "parquet": ("pyarrow",),
    "batch": ("ray",),
    "heic": ("pi-heif",),
}
"""Extra -> packages that tell whether it is there."""

ENGINE_EXTRAS = {"openvino": "openvino", "torch": "train", "ncnn": "mobile"}
"""Engine that is not part of every installation -> the extra that brings it."""

MISSING = "not installed"


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    name: str
    text: str
    good: bool = True


def examine() -> Iterator[Finding]:
    """Versions, providers, cores, detectors, and a run of the default model."""
    import onnxruntime

    yield Finding("efficientfan", __version__)
    yield Finding("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    yield Finding("core", ", ".join(f"{name} {_version(name)}" for name in CORE))
    yield Finding("extras", "; ".join(f"{extra}: {_packages(names)}" for extra, names in EXTRAS.items()))
    yield Finding("engines", ", ".join(map(_engine, ENGINES)))
    yield Finding("providers", ", ".join(onnxruntime.get_available_providers()))
    yield Finding("cores", str(os.cpu_count()))
    yield _facefinder()
    yield _haar()
    yield _yunet()
    yield Finding("packaged models", ", ".join(list_models()) or "none", bool(list_models()))
    yield _self_test()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return MISSING


def _packages(names: tuple[str, ...]) -> str:
    return ", ".join(f"{name} {_version(name)}" for name in names)


def _engine(name: str) -> str:
    found = _version(name)
    if found != MISSING:
        return f"{name} {found}"
    return f"{name} {found} (pip install 'efficientfan[{ENGINE_EXTRAS[name]}]')"


def _facefinder() -> Finding:
    try:
        open_detector("facefinder")
    except EfficientFanError as error:
        return Finding("detector facefinder", str(error), good=False)
    return Finding("detector facefinder", "ready; the default")


def _haar() -> Finding:
    """OpenCV 5 has no cascades; that is no fault of the installation."""
    try:
        HaarDetector()
    except EfficientFanError as error:
        return Finding("detector haar", str(error))
    return Finding("detector haar", "ready")


def _yunet() -> Finding:
    if not is_fetched("yunet"):
        return Finding("detector yunet", f"not in {cache_dir()}; run `efficientfan models fetch yunet`")
    try:
        YuNetDetector()
    except EfficientFanError as error:
        return Finding("detector yunet", str(error), good=False)
    return Finding("detector yunet", f"ready, from {cache_dir()}")


def _self_test() -> Finding:
    """Run the default model twice on a crop of noise: equal, finite results, with scores in [0, 1]."""
    try:
        backend = load(find_model("default"), detector="whole").backend
    except EfficientFanError as error:
        return Finding("self-test", str(error), good=False)
    side = backend.spec.input_size
    crops = np.random.default_rng(0).integers(0, 256, (1, side, side, 3), np.uint8)
    found = backend.run(crops)
    started = time.perf_counter()
    again = backend.run(crops)
    milliseconds = (time.perf_counter() - started) * 1e3
    good = bool(
        np.isfinite(found.points).all()
        and np.array_equal(found.points, again.points)
        and found.scores.min() >= 0
        and found.scores.max() <= 1
    )
    return Finding(
        "self-test", f"{backend.spec.name}: {milliseconds:.1f} ms per face; {engine_in_words(backend)}", good
    )
