"""Model files that are not part of the package: fetched once, checked, and kept in a cache folder."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from efficientfan.errors import InputError, MissingDependencyError
from efficientfan.files import sha256_of, write_bytes

__all__ = ["FETCHABLE", "Fetchable", "cache_dir", "fetch", "fetched", "is_fetched"]


@dataclass(frozen=True)
class Fetchable:
    """A published file: its address, size in bytes, SHA-256 and license."""

    file_name: str
    url: str
    size: int
    sha256: str
    license: str


FETCHABLE = {
    "yunet": Fetchable(
        file_name="face_detection_yunet_2023mar.onnx",
        url="https://github.com/opencv/opencv_zoo/raw/main/models/face_detection_yunet/"
        "face_detection_yunet_2023mar.onnx",
        size=232_589,
        sha256="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
        license="MIT",
    )
}


def cache_dir() -> Path:
    """The folder of fetched files: $EFFICIENTFAN_CACHE, or `efficientfan` in the platform's cache folder."""
    if folder := os.environ.get("EFFICIENTFAN_CACHE"):
        return Path(folder)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "efficientfan"


def is_fetched(name: str) -> bool:
    """Whether the file is in the cache folder; its content is not checked.

    Raises:
        InputError: an unknown name.
    """
    return (cache_dir() / _known(name).file_name).is_file()


def fetched(name: str) -> Path:
    """Path of a file that was fetched before; its content is checked.

    Raises:
        MissingDependencyError: it has not been fetched.
        InputError: it is damaged.
    """
    known = _known(name)
    path = cache_dir() / known.file_name
    if not path.is_file():
        raise MissingDependencyError(
            f"{name} is not in {cache_dir()}: run `efficientfan models fetch {name}` (add --file FILE "
            "on a machine without network)"
        )
    if sha256_of(path) != known.sha256:
        raise InputError(f"{path}: is damaged; run `efficientfan models fetch {name}` again")
    return path


def fetch(name: str, file: str | Path | None = None, *, timeout: float = 30.0) -> Path:
    """Put a published file into the cache folder, from the network or from `file`, and return its path.

    An intact copy in the folder is kept. Other content is refused, whatever its source.

    Args:
        name: one of `FETCHABLE`.
        file: a copy to take instead of downloading, for machines without a network.
        timeout: seconds for the whole download.

    Raises:
        InputError: an unknown name, an unreadable file, no network, or content that is not the published one.
    """
    import hashlib

    known = _known(name)
    path = cache_dir() / known.file_name
    if file is None and path.is_file() and sha256_of(path) == known.sha256:
        return path
    source = str(file) if file is not None else known.url
    content = _read(Path(file), known.size) if file is not None else _download(known, timeout)
    digest = hashlib.sha256(content).hexdigest()
    if digest != known.sha256:
        raise InputError(
            f"{source}: is not the published {known.file_name} (SHA-256 {digest[:12]}..., not "
            f"{known.sha256[:12]}...); nothing was stored"
        )
    write_bytes(path, content)
    return path


def _read(file: Path, size: int) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(size + 1)
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from error


def _download(known: Fetchable, timeout: float) -> bytes:
    import urllib.request  # a tenth of a start without it, and few downloads

    deadline, content = time.monotonic() + timeout, b""
    try:
        with urllib.request.urlopen(known.url, timeout=timeout) as stream:
            while len(content) <= known.size and (chunk := stream.read1(1 << 16)):
                content += chunk
                if time.monotonic() > deadline:
                    raise TimeoutError(f"no end after {timeout:g} s")
    except (OSError, ValueError) as error:  # urllib's own errors are OSErrors
        reason = getattr(error, "reason", None) or error
        raise InputError(
            f"{known.url}: cannot be fetched ({reason}); on a machine without network pass a copy by --file"
        ) from error
    return content


def _known(name: str) -> Fetchable:
    if name not in FETCHABLE:
        import shlex

        raise InputError(f"unknown file {shlex.quote(name)}; fetchable are {', '.join(FETCHABLE)}")
    return FETCHABLE[name]
