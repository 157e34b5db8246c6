"""The package's own detector, without anchors; its boxes are those that the landmark crop needs, uncorrected."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from efficientfan.errors import InputError, check_number
from efficientfan.predict.backends.base import run_graph
from efficientfan.predict.backends.onnx import metadata_of, open_session
from efficientfan.predict.detectors.base import Detections, plausible, shrink_to, strongest
from efficientfan.spec import DetectorSpec

__all__ = ["FaceFinder"]

Array = NDArray[Any]

LEAST_FACE = 8.0
"""Longer side, in pixels of the searched copy, from which faces are found."""


class FaceFinder:
    """A detector file of `efficientfan export`. Threads may share it.

    It searches copies of the image, reduced to the longer sides of the spec: a large copy for small faces, a small one
    for faces that fill the picture.

    Args:
        model: the `.onnx` file.
        device: see `OnnxBackend`.
        threads: processor threads for one run; None leaves it to ONNX Runtime.
        min_score: lowest score of a detection, in [0, 1]; None takes the model's own.
        long_sides: longer sides of the copies, in pixels; None takes the model's own.
        min_face: smaller faces, in pixels of the image, are left out; large images are searched in copies in which such
            a face still has `LEAST_FACE` pixels, whatever `long_sides` says of the largest.

    Raises:
        InputError: the file is missing, damaged, or no detector of efficientfan; or an option is out of range.
        MissingDependencyError: the device's provider is not available.
    """

    name = "facefinder"

    def __init__(
        self,
        model: str | Path,
        device: str = "cpu",
        threads: int | None = None,
        *,
        min_score: float | None = None,
        long_sides: tuple[int, ...] | None = None,
        min_face: float | None = None,
    ) -> None:
        self._session = open_session(Path(model), device, threads)
        self.spec = DetectorSpec.from_json(metadata_of(self._session, str(model)), where=str(model))
        ports = [port.name for port in (*self._session.get_inputs(), *self._session.get_outputs())]
        if ports not in (["images", "boxes", "scores"], ["images", "boxes", "scores", "points"]):
            raise InputError(
                f"{model}: is no face detector of efficientfan; its graph has {', '.join(ports)}"
            )
        self._outputs = ports[1:]
        self.min_score = self.spec.score_threshold if min_score is None else min_score
        self.long_sides = self.spec.long_sides if long_sides is None else long_sides
        check_number("min_score", self.min_score, 0, 1)
        self.min_face = min_face
        if min_face is not None:
            check_number("min_face", min_face, 1)
        if not self.long_sides:
            raise InputError("long_sides are pixels, at least one number")
        for side in self.long_sides:
            check_number("a long side", side, 1, whole=True)

    def detect(self, image: Array) -> Detections:
        """The faces of an H x W x 3 uint8 RGB image."""
        passes = [self._search(*copy) for copy in self._copies(image)]
        boxes, scores, points = (np.concatenate(each) for each in zip(*passes, strict=True))
        kept = plausible(boxes, image)
        if self.min_face is not None:
            kept &= (boxes[:, 2:] - boxes[:, :2]).max(axis=1) >= self.min_face
        found = strongest(boxes[kept], scores[kept], self.min_score, points=points[kept])
        return found if "points" in self._outputs else Detections(found.boxes, found.scores)

    def copy(self) -> FaceFinder:
        """Itself: several threads may run an ONNX Runtime session."""
        return self

    def _copies(self, image: Array) -> Iterator[tuple[Array, float]]:
        """The reduced copies, each made from the one before, and the factor of each."""
        whole = max(image.shape[:2])
        copy, sides = image, self.long_sides
        if self.min_face is not None:
            sides = (
                math.ceil(whole * LEAST_FACE / max(self.min_face, LEAST_FACE)),
                *sorted(sides, reverse=True)[1:],
            )
        for side in sorted({min(side, whole) for side in sides}, reverse=True):
            copy, _ = shrink_to(copy, side)
            yield copy, side / whole

    def _search(self, image: Array, factor: float) -> tuple[Array, Array, Array]:
        """Boxes (N, 4), scores (N,) and points (N, 5, 2) of a copy, in pixels of the image that was reduced."""
        padded = self._padded(image)[None]
        arrays = run_graph(lambda: self._session.run(self._outputs, {"images": padded}), self.spec.name)
        found = dict(zip(self._outputs, arrays, strict=True))
        sure = found["scores"][0] >= self.min_score
        boxes, scores = found["boxes"][0][sure], found["scores"][0][sure]
        points = (
            found["points"][0][sure].reshape(-1, 5, 2) if "points" in found else np.zeros((len(boxes), 5, 2))
        )
        # A pixel's center in the copy lies at (x + 0.5) / factor - 0.5 of the image.
        return (boxes + 0.5) / factor - 0.5, scores, (points + 0.5) / factor - 0.5

    def _padded(self, image: Array) -> Array:
        """The image padded with gray at the right and the bottom to the multiple that the network needs."""
        multiple = self.spec.multiple
        rows, columns = (-side % multiple for side in image.shape[:2])
        if not rows and not columns:
            return np.ascontiguousarray(image)
        gray = (128, 128, 128)
        return np.asarray(cv2.copyMakeBorder(image, 0, rows, 0, columns, cv2.BORDER_CONSTANT, value=gray))
