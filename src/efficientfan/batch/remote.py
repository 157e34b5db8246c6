"""Photos that lie elsewhere: s3://, gs://, http(s):// and whatever else fsspec knows (extra `batch`)."""

from __future__ import annotations

import functools
import io
import posixpath
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any

from numpy.typing import NDArray

from efficientfan.errors import InputError, first_line, needs_extra
from efficientfan.imaging import PHOTO_SUFFIXES, read_rgb
from efficientfan.predict.photos import Photo

__all__ = ["find_remote_photos", "is_url", "read_photo"]

TRIES = 3
"""Times that a photo is fetched before it counts as one that cannot be read."""


def is_url(source: str) -> bool:
    """Whether a source is named by a URL, such as "s3://bucket/photos/", and not by a path."""
    return re.match(r"[a-z][a-z0-9+.-]+://", source) is not None


def find_remote_photos(url: str, *, recursive: bool = False) -> list[Photo]:
    """The photos of a URL: a photo, a folder (by suffix, sorted) or a pattern, as `find_photos` has them.

    Args:
        url: as fsspec takes it; "s3://" and "gs://" are read by pyarrow where s3fs or gcsfs are not installed.
        recursive: search the folders inside folders too.

    Raises:
        InputError: no photo is found, or there is no access.
        MissingDependencyError: fsspec is not installed.
    """
    with _access(url):
        system, path = _system(url)
        if any(sign in path for sign in "*?["):
            found = sorted(system.glob(path))
        elif PurePosixPath(path).suffix.lower() in PHOTO_SUFFIXES:
            return [Photo(url, posixpath.basename(path))]
        else:
            found = sorted(system.find(path, maxdepth=None if recursive else 1))
        photos = [each for each in found if PurePosixPath(each).suffix.lower() in PHOTO_SUFFIXES]
    if not photos:
        raise InputError(
            f"{url}: no photos there{'' if recursive else '; --recursive looks into its folders'}"
        )
    protocol = url.partition("://")[0]
    return [Photo(_with_protocol(each, protocol), posixpath.basename(each)) for each in photos]


def read_photo(path: str, *, max_pixels: int, pause: Callable[[float], None] = time.sleep) -> NDArray[Any]:
    """As `read_rgb`, of a path or a URL. A URL is tried several times, with growing pauses.

    Raises:
        InputError: as `read_rgb`, or what kept the photo from being fetched.
    """
    if not is_url(path):
        return read_rgb(path, max_pixels=max_pixels)
    content = _fetch(path, pause)
    try:
        return read_rgb(io.BytesIO(content), max_pixels=max_pixels)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _fetch(url: str, pause: Callable[[float], None]) -> bytes:
    attempt = 1
    while True:
        try:
            with _access(url):
                system, path = _system(url)
                return bytes(system.cat_file(path))
        except InputError as error:
            if attempt == TRIES or isinstance(error.__cause__, FileNotFoundError | PermissionError):
                raise
        pause(2.0**attempt)
        attempt += 1


@functools.cache
def _root_system(root: str) -> Any:
    """The file system of a URL's protocol and host; it keeps its connections."""
    with needs_extra("batch", "photos of URLs need"):
        import fsspec
    try:
        return fsspec.core.url_to_fs(root)[0]
    except ImportError:  # s3fs or gcsfs: pyarrow brings clients of its own
        import pyarrow.fs
        from fsspec.implementations.arrow import ArrowFSWrapper

        return ArrowFSWrapper(pyarrow.fs.FileSystem.from_uri(root)[0])


def _system(url: str) -> tuple[Any, str]:
    protocol, _, rest = url.partition("://")
    system = _root_system(f"{protocol}://{rest.partition('/')[0]}")
    return system, url if protocol in ("http", "https") else system._strip_protocol(url)


def _with_protocol(path: str, protocol: str) -> str:
    return path if is_url(path) else f"{protocol}://{path}"


@contextmanager
def _access(url: str) -> Iterator[None]:
    """Whatever a file system raises in this block, as an `InputError` of one line that names the URL."""
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"{url}: no such file or folder") from error
    except PermissionError as error:
        raise InputError(f"{url}: no access ({first_line(error)}); check the credentials") from error
    except InputError:
        raise
    except Exception as error:  # clients raise whatever their service answers
        if isinstance(error, ImportError):
            raise
        raise InputError(f"{url}: cannot be read ({first_line(error)})") from error
