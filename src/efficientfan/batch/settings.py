"""What decides about the results of photos, as one value that can be sent to other processes and machines."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from efficientfan.batch.run_info import RunInfo, WeightsInfo
from efficientfan.predict.detectors import FaceDetector, detector_file, open_detector
from efficientfan.predict.predictor import LandmarkPredictor, load
from efficientfan.predict.timing import UNTIMED, StageTimes
from efficientfan.weights import find_model

__all__ = ["PhotoSettings"]


@dataclass(frozen=True)
class PhotoSettings:
    """Model, detector and options of a run; all as for `load`, `open_detector` and `predict_photos`.

    Attributes:
        pose: whether results hold the pose of the head and the openness of eyes and mouth.
    """

    model: str = "default"
    detector: str = "auto"
    backend: str | None = None
    device: str = "cpu"
    precision: str = "f32"
    min_score: float | None = None
    detect_size: int | None = None
    min_face: float | None = None
    max_faces: int | None = None
    thorough: bool = False
    passes: Literal["auto", 1, 2] = "auto"
    max_pixels: int = 100_000_000
    pose: bool = False

    def open(
        self,
        threads: int | None,
        network_threads: int | None,
        *,
        finder: FaceDetector | None = None,
        batch_size: int = 8,
        times: StageTimes = UNTIMED,
        streams: int = 1,
    ) -> LandmarkPredictor:
        """The predictor.

        Args:
            threads, network_threads: of the detector and of the network, for one photo; None leaves it to them.
            finder: in place of the detector, where boxes are given.
            batch_size, times, streams: as for `load`.

        Raises:
            InputError: as for `load` and `open_detector`.
            MissingDependencyError: the engine or the detector is not installed.
        """
        return load(
            self.model,
            detector=finder
            or open_detector(
                self.detector,
                threads,
                detect_size=self.detect_size,
                min_face=self.min_face,
                thorough=self.thorough,
            ),
            backend=self.backend,
            device=self.device,
            precision=self.precision,
            threads=network_threads,
            batch_size=batch_size,
            passes=self.passes,
            max_faces=self.max_faces,
            times=times,
            streams=streams,
        )

    def info(self, predictor: LandmarkPredictor, boxes: Path | None = None) -> RunInfo:
        """What a run of the opened predictor is made with, or one with the boxes of a file."""
        options = asdict(self)
        for name in ("model", "detector"):
            del options[name]
        options |= {"backend": predictor.backend.name, "passes": str(self.passes)}
        return RunInfo(
            WeightsInfo.of_file(predictor.spec.name, find_model(self.model)),
            WeightsInfo.of_file(predictor.detector.name, detector_file(self.detector))
            if boxes is None
            else WeightsInfo.of_file("boxes", boxes),
            options,
        )
