"""MATLAB files of version 7.3 (HDF5) through h5py, in the `data` extra; and points and boxes out of MATLAB.

h5py meets damaged bytes with errors of many kinds, so whatever it raises becomes one `InputError`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientfan.errors import EfficientFanError, InputError, MissingDependencyError
from efficientfan.formats.text import LARGEST

__all__ = ["box_from_matlab", "check_points", "open_mat73"]

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
            "MATLAB v7.3 files need h5py; install it with: pip install 'efficientfan[data]'"
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
