"""Our own detector: no anchors and no correction factors, its box is the one that the landmark crop wants."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from efficientfan.errors import InputError
from efficientfan.predict.backends.onnx import metadata_of, open_session
from efficientfan.predict.detectors.base import Detections, plausible, shrink_to, strongest
from efficientfan.spec import DetectorSpec

__all__ = ["FaceFinder"]

Array = NDArray[Any]


class FaceFinder:
    """A detector file that `efficientfan export` wrote. Threads may share it.

    The image is searched in copies reduced to the spec's longer sides: the large one for small faces, the small
    one for faces that fill the picture.

    Args:
        model: the `.onnx` file.
        device: see `OnnxBackend`.
        threads: processor threads for one run; None leaves it to ONNX Runtime.
        min_score: detections below it are left out; None takes the model's own.
        long_sides: instead of the model's own.

    Raises:
        InputError: the file is missing, damaged, or no detector of ours; or an option that cannot be.
        MissingDependencyError: the device's provider is not there.
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
    ) -> None:
        self._session = open_session(Path(model), device, threads)
        self.spec = DetectorSpec.from_json(metadata_of(self._session, str(model)), where=str(model))
        ports = [port.name for port in (*self._session.get_inputs(), *self._session.get_outputs())]
        if ports not in (["images", "boxes", "scores"], ["images", "boxes", "scores", "points"]):
            raise InputError(f"{model}: is no face detector of ours; its graph has {', '.join(ports)}")
        self._outputs = ports[1:]
        self.min_score = self.spec.score_threshold if min_score is None else min_score
        self.long_sides = self.spec.long_sides if long_sides is None else long_sides
        if not 0 <= self.min_score <= 1:
            raise InputError(f"min_score is within 0 and 1, not {self.min_score}")
        if not self.long_sides or min(self.long_sides) < 1:
            raise InputError(f"long_sides are pixels, at least 1, not {self.long_sides}")

    def detect(self, image: Array) -> Detections:
        """Find the faces of an H x W x 3 uint8 RGB image."""
        passes = [self._search(*copy) for copy in self._copies(image)]
        boxes, scores, points = (np.concatenate(each) for each in zip(*passes, strict=True))
        kept = plausible(boxes, image)
        found = strongest(boxes[kept], scores[kept], self.min_score, points=points[kept])
        return found if "points" in self._outputs else Detections(found.boxes, found.scores)

    def copy(self) -> FaceFinder:
        """Itself: ONNX Runtime's sessions may be run by several threads."""
        return self

    def _copies(self, image: Array) -> Iterator[tuple[Array, float]]:
        """The copies that are searched, each made from the one before, and the factors they were reduced by."""
        whole = max(image.shape[:2])
        copy = image
        for side in sorted({min(side, whole) for side in self.long_sides}, reverse=True):
            copy, _ = shrink_to(copy, side)
            yield copy, side / whole

    def _search(self, image: Array, factor: float) -> tuple[Array, Array, Array]:
        """Boxes (N, 4), scores (N,) and points (N, 5, 2) of a copy, in pixels of the image that was reduced."""
        found = dict(
            zip(
                self._outputs,
                self._session.run(self._outputs, {"images": self._padded(image)[None]}),
                strict=True,
            )
        )
        sure = found["scores"][0] >= self.min_score
        boxes, scores = found["boxes"][0][sure], found["scores"][0][sure]
        points = (
            found["points"][0][sure].reshape(-1, 5, 2) if "points" in found else np.zeros((len(boxes), 5, 2))
        )
        # A pixel's center in the copy lies at (x + 0.5) / factor - 0.5 of the image.
        return (boxes + 0.5) / factor - 0.5, scores, (points + 0.5) / factor - 0.5

    def _padded(self, image: Array) -> Array:
        """The image with grey at the right and below, up to multiples that the network takes."""
        multiple = self.spec.multiple
        rows, columns = (-side % multiple for side in image.shape[:2])
        if not rows and not columns:
            return np.ascontiguousarray(image)
        grey = (128, 128, 128)
        return np.asarray(cv2.copyMakeBorder(image, 0, rows, 0, columns, cv2.BORDER_CONSTANT, value=grey))
