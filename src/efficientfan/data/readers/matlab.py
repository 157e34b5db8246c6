"""MATLAB files: version 7.3 (HDF5) through h5py, of the extra `data`, and earlier ones (version 5) with numpy alone.

h5py raises errors of many kinds on damaged bytes; all of them become `InputError` here. The version 5 reader follows
MathWorks, "MAT-File Format" (2020), "Level 5". SciPy's reader of such files ends the process on some damaged ones
(a segmentation fault, SciPy 1.17); this one checks every length before it reads. It reads arrays of numbers, text and
cells, and skips structures, objects and sparse arrays.
"""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientfan.errors import EfficientFanError, InputError, MissingDependencyError, install_command
from efficientfan.formats.text import LARGEST

__all__ = [
    "box_from_matlab",
    "check_points",
    "load_mat5",
    "open_mat73",
]

Array = NDArray[Any]


@contextmanager
def open_mat73(path: Path, *names: str) -> Iterator[Any]:
    """An open h5py file that holds these names; errors within the block become `InputError` too.

    Raises:
        InputError: missing, damaged, not of version 7.3, or without one of the names.
        MissingDependencyError: h5py is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise MissingDependencyError(
            f"MATLAB v7.3 files need h5py; install it with: {install_command('data')}"
        ) from error
    try:
        with h5py.File(path, "r") as file:
            missing = [name for name in names if name not in file]
            if missing:
                raise InputError(f"{path}: has no array '{missing[0]}'; is it the right file?")
            yield file
    except EfficientFanError:
        raise
    except Exception as error:
        raise InputError(
            f"{path}: is not a readable MATLAB v7.3 (HDF5) file ({_brief(error)}); unpack it again"
        ) from error


def check_points(where: str, points: Array, n_landmarks: int) -> Array:
    """`points` as (K, 2) float64.

    Raises:
        InputError: another shape, or a value that is not a pixel coordinate.
    """
    if points.dtype.kind not in "fiu" or points.shape != (n_landmarks, 2):
        raise InputError(f"{where}: expected {n_landmarks} x 2 numbers, found {points.dtype} {points.shape}")
    values = points.astype(np.float64)
    if not (np.abs(values) <= LARGEST).all():  # NaN fails it too
        raise InputError(f"{where}: holds a value that is not a pixel coordinate")
    return values


def box_from_matlab(where: str, box: Array) -> Array:
    """MATLAB's [x, y, width, height], 1-based, to xyxy, 0-based.

    Raises:
        InputError: not four finite numbers with a positive width and height.
    """
    values = np.asarray(box).reshape(-1)
    if values.dtype.kind not in "fiu" or values.shape != (4,) or not (np.abs(values) <= LARGEST).all():
        raise InputError(f"{where}: a box is x, y, width, height")
    x, y, width, height = values.astype(np.float64)
    if width <= 0 or height <= 0:
        raise InputError(f"{where}: box of width {width:g} and height {height:g}")
    return np.array([x - 1, y - 1, x - 1 + width, y - 1 + height])


def _brief(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0][:80] if lines else type(error).__name__


_MATRIX, _COMPRESSED = 14, 15
_STORED = {
    **{1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4"},
    **{9: "f8", 12: "i8", 13: "u8", 16: "u1", 17: "u2", 18: "u4"},
}
"""Type of a data element -> numpy's name for its numbers; 16 to 18 are UTF-8, UTF-16 and UTF-32."""
_ENCODING = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_CELL, _CHAR = 1, 4
_NUMERIC = dict(zip(range(6, 16), ("f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"), strict=True))
"""Class of an array -> numpy's name for its numbers, which may be stored in a smaller type."""
_MOST_BYTES = 1 << 28
_MOST_NESTED = 8


class _Damaged(Exception):
    """The bytes are not what the format promises."""


@dataclass(frozen=True)
class _Element:
    kind: int
    data: memoryview


def load_mat5(path: Path, *names: str) -> list[Array]:
    """The arrays of these names, in MATLAB's shape; cells as an array of objects, text as one of `str`.

    Raises:
        InputError: missing, damaged, of another version, or without one of the names.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); is the data unpacked?") from error
    version = content[124:128]
    if version in (b"\x00\x02IM", b"\x02\x00MI"):
        raise InputError(f"{path}: is MATLAB v7.3, expected v5; save it again with '-v7'")
    if version not in (b"\x00\x01IM", b"\x01\x00MI"):
        raise InputError(f"{path}: is not a readable MATLAB v5 file (no such header)")
    order = "<" if version.endswith(b"IM") else ">"
    found: dict[str, Array] = {}
    try:
        for element in _elements(memoryview(content)[128:], order):
            name, array = _matrix(_unpacked(element, order), order, names, 0)
            if array is not None and name in names:
                found[name] = array
    except (_Damaged, zlib.error) as error:
        raise InputError(f"{path}: is not a readable MATLAB v5 file ({error}); unpack it again") from error
    missing = [name for name in names if name not in found]
    if missing:
        raise InputError(f"{path}: has no array '{missing[0]}'; is it the right file?")
    return [found[name] for name in names]


def _elements(data: memoryview, order: str) -> Iterator[_Element]:
    """The data elements in `data`, one after the other."""
    while data:
        if len(data) < 8:
            raise _Damaged("it ends within a tag")
        kind, size = np.frombuffer(data[:8], f"{order}u4").tolist()
        if kind >> 16:  # a small element: type and size share four bytes, four bytes of data follow
            kind, size, start, step = kind & 0xFFFF, kind >> 16, 4, 8
            if size > 4:
                raise _Damaged("a small element of more than 4 bytes")
        else:
            start, step = 8, 8 + size + (-size % 8 if kind != _COMPRESSED else 0)
        if start + size > len(data):
            raise _Damaged("it ends within an array")
        yield _Element(kind, data[start : start + size])
        data = data[step:]


def _unpacked(element: _Element, order: str) -> _Element:
    """The array within a compressed element; any other as it is."""
    if element.kind != _COMPRESSED:
        return element
    unpacker = zlib.decompressobj()
    data = unpacker.decompress(element.data, _MOST_BYTES)
    if not unpacker.eof:
        raise _Damaged("a compressed array is cut, or too large")
    inner = list(_elements(memoryview(data), order))
    if len(inner) != 1:
        raise _Damaged("a compressed element holds one array")
    return inner[0]


def _matrix(
    element: _Element, order: str, wanted: tuple[str, ...] | None, depth: int
) -> tuple[str, Array | None]:
    """Name and content of an array; the content is None if it is of another class, or not `wanted`."""
    if element.kind != _MATRIX or depth > _MOST_NESTED:
        raise _Damaged(f"expected an array, found type {element.kind}")
    if not element.data:
        return "", np.zeros((0, 0))
    parts = _elements(element.data, order)
    head = list(itertools.islice(parts, 3))
    if [part.kind for part in head] != [6, 5, 1]:  # UINT32, INT32, INT8
        raise _Damaged("an array without flags, sizes or name")
    flags, sizes = (tuple(_numbers(part, order).tolist()) for part in head[:2])
    text = bytes(head[2].data).decode("latin-1")
    if len(flags) != 2 or len(sizes) < 2 or min(sizes) < 0:
        raise _Damaged(f"'{text}' has flags {flags} and sizes {sizes}")
    kind = flags[0] & 0xFF
    if kind not in (_CELL, _CHAR, *_NUMERIC) or (wanted is not None and text not in wanted):
        return text, None
    if flags[0] & 0x800:
        raise _Damaged(f"'{text}' holds complex numbers")
    count = math.prod(sizes)
    if kind == _CELL:
        cells = [_matrix(part, order, None, depth + 1)[1] for part in parts]
        if len(cells) != count:
            raise _Damaged(f"'{text}' has {count} cells, found {len(cells)}")
        array = np.empty(count, dtype=object)
        array[:] = cells
        return text, array.reshape(sizes, order="F")
    part = next(parts, None)
    if kind == _CHAR:
        return text, np.array([_text(part)])
    values = _numbers(part, order)
    if len(values) != count:
        raise _Damaged(f"'{text}' needs {count} numbers, found {len(values)}")
    with np.errstate(all="ignore"):  # a number too large for its class becomes another; readers check
        return text, values.astype(_NUMERIC[kind]).reshape(sizes, order="F")


def _numbers(element: _Element | None, order: str) -> Array:
    if element is None or element.kind not in _STORED:
        raise _Damaged("an array without numbers")
    kind = np.dtype(order + _STORED[element.kind])
    if len(element.data) % kind.itemsize:
        raise _Damaged("an array that ends within a number")
    return np.frombuffer(element.data, kind)


def _text(element: _Element | None) -> str:
    if element is None or element.kind not in _ENCODING:
        raise _Damaged("text without letters")
    try:
        return bytes(element.data).decode(_ENCODING[element.kind])
    except UnicodeDecodeError as error:
        raise _Damaged("text of unknown letters") from error
