"""Smoothing of landmarks over time: a One-Euro filter per landmark, in units of the face and of seconds.

Casiez, Roussel and Vogel, "1 Euro Filter", CHI 2012: an exponential filter whose cut-off frequency rises with the
speed, so that a still face is smoothed much and a moving one follows at once. Speeds are in inter-ocular distances per
second and times are the frames' own, so one setting serves any size and any, also a varying, frame rate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientfan.errors import unknown
from efficientfan.metrics import box_size, interocular
from efficientfan.schema import LandmarkSchema

__all__ = ["SMOOTHINGS", "LandmarkSmoother", "Smoothing", "face_unit", "smoothing_named"]

Array = NDArray[Any]

PAUSE = 0.5
"""After a gap of more seconds, a filter begins anew."""


@dataclass(frozen=True)
class Smoothing:
    """Settings of the filter.

    Attributes:
        still_hz: cut-off frequency of a landmark at rest: lower is smoother.
        follow: by how many Hz the cut-off rises for each inter-ocular distance per second: higher lags less.
        speed_hz: cut-off frequency of the speeds themselves.
    """

    still_hz: float
    follow: float
    speed_hz: float = 1.0


SMOOTHINGS: dict[str, Smoothing | None] = {
    "off": None,
    "light": Smoothing(still_hz=0.7, follow=13.0),
    "strong": Smoothing(still_hz=0.3, follow=6.0),
}
"""`docs/guides/video.md` says what each costs; `efficientfan evaluate-video` measures it."""


def smoothing_named(name: str) -> Smoothing | None:
    """A setting of `SMOOTHINGS`.

    Raises:
        InputError: an unknown name.
    """
    if name not in SMOOTHINGS:
        raise unknown("smoothing", name, SMOOTHINGS)
    return SMOOTHINGS[name]


class LandmarkSmoother:
    """Smooths the landmarks of one face.

    Args:
        settings: of the filter.
        schema: of the landmarks.
    """

    def __init__(self, settings: Smoothing, schema: LandmarkSchema) -> None:
        self._settings = settings
        self._schema = schema
        self._time = -math.inf
        self._points: Array | None = None
        self._raw: Array = np.zeros(0)
        self._velocity: Array = np.zeros(0)

    def restart(self) -> None:
        """Forget what came before."""
        self._points = None

    def __call__(self, points: Array, scores: Array, time: float) -> Array:
        """The smoothed landmarks of a frame.

        Args:
            points: (K, 2) image pixels.
            scores: (K,) in [0, 1]; landmarks of a low score follow more slowly.
            time: seconds, later than the last.

        Returns:
            (K, 2) float64 image pixels.
        """
        raw = np.asarray(points, dtype=np.float64)
        step = time - self._time
        self._time = time
        if self._points is None or not 0 < step <= PAUSE:
            self._points, self._raw, self._velocity = raw, raw, np.zeros_like(raw)
            return raw
        unit = face_unit(raw, self._schema)
        velocity = (raw - self._raw) / step / unit
        self._velocity = self._velocity + _share(self._settings.speed_hz, step) * (velocity - self._velocity)
        speed = np.hypot(self._velocity[:, 0], self._velocity[:, 1])
        cutoff = (self._settings.still_hz + self._settings.follow * speed) * np.clip(scores, 0.05, 1.0)
        self._points = self._points + _share(cutoff, step)[:, None] * (raw - self._points)
        self._raw = raw
        return self._points


def face_unit(points: Array, schema: LandmarkSchema) -> float:
    """The inter-ocular distance of (K, 2) landmarks in pixels, or what stands for it: 45 % of the face's size.

    The latter for schemas without eye corners, and for profiles, whose corners coincide on the image.
    """
    size = float(box_size([*points.min(axis=0), *points.max(axis=0)])[0])
    least = max(0.45 * size, 1e-6)
    if "interocular" not in schema.normalizers:
        return least
    return max(float(interocular(points[None], schema)[0]), least)


def _share(cutoff_hz: Any, step: float) -> Any:
    """How far an exponential filter of that cut-off goes towards a new value in `step` seconds."""
    rate = 2 * math.pi * cutoff_hz * step
    return rate / (1 + rate)
