"""The machine that a benchmark ran on, recorded beside its figures."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from efficientfan.predict.many import usable_cores
from efficientfan.version import __version__

__all__ = ["Machine", "describe_machine", "has_bf16"]

PACKAGES = ("numpy", "opencv-python-headless", "onnxruntime", "openvino", "torch", "dlib-bin")


@dataclass(frozen=True)
class Machine:
    """Where and with what a benchmark ran.

    Attributes:
        processor: its name, as the system reports it.
        cores: processor threads that this process may use.
        load: mean number of running processes over the last minute, before the start; None where not reported.
        system: operating system and Python.
        versions: package -> version, of those installed.
    """

    processor: str
    cores: int
    load: float | None
    system: str
    versions: dict[str, str]


def describe_machine() -> Machine:
    """The machine that this process runs on."""
    return Machine(
        processor=_processor(),
        cores=usable_cores(),
        load=round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        system=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        versions={"efficientfan": __version__, **_versions()},
    )


def has_bf16(engine: str) -> bool:
    """Whether an engine that is installed computes in bfloat16 on this processor."""
    if engine != "openvino":
        return engine == "torch"
    from efficientfan.predict.backends.openvino import shared_core

    return "BF16" in shared_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
