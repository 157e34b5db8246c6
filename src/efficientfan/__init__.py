"""Facial landmarks: `load()` gives a predictor, `predictor(photo)` a list of `Face`.

The names in `__all__` are public. They are imported when they are first used, so that `import efficientfan` is fast and
needs no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from efficientfan.align import align_transform, crop_faces
    from efficientfan.data.catalog import load_dataset
    from efficientfan.draw import draw_faces
    from efficientfan.errors import EfficientFanError, InputError, MissingDependencyError
    from efficientfan.evaluation import (
        EvaluationSetup,
        load_test_set,
        match_predictions,
        predict_test_set,
        read_predictions,
        results_table,
        score_points,
    )
    from efficientfan.geometry import CropTransform
    from efficientfan.imaging import read_rgb, write_image
    from efficientfan.imaging.guarded import GuardedReader
    from efficientfan.metrics import MetricAccumulator
    from efficientfan.pose import Blink, Pose, blinks, eye_openness, head_pose, head_shape, mouth_openness
    from efficientfan.predict import (
        Backend,
        BackendOutput,
        Detections,
        FaceDetector,
        LandmarkPredictor,
        Photo,
        PhotoFaces,
        PhotoFailure,
        StageTimes,
        Workers,
        find_photos,
        load,
        open_backend,
        open_detector,
        predict_photos,
    )
    from efficientfan.schema import (
        LandmarkSchema,
        convert_points,
        convert_visibility,
        get_schema,
        list_schemas,
    )
    from efficientfan.spec import ModelSpec
    from efficientfan.structures import Annotation, Face
    from efficientfan.version import __version__
    from efficientfan.video import FaceTracker, Frame, Video, VideoFrame, open_video, track
    from efficientfan.weights import list_models

__all__ = [
    "Annotation",
    "Backend",
    "BackendOutput",
    "Blink",
    "CropTransform",
    "Detections",
    "EfficientFanError",
    "EvaluationSetup",
    "Face",
    "FaceDetector",
    "FaceTracker",
    "Frame",
    "GuardedReader",
    "PhotoFailure",
    "PhotoFaces",
    "InputError",
    "LandmarkPredictor",
    "LandmarkSchema",
    "MetricAccumulator",
    "MissingDependencyError",
    "ModelSpec",
    "Photo",
    "Pose",
    "StageTimes",
    "Video",
    "VideoFrame",
    "Workers",
    "__version__",
    "align_transform",
    "blinks",
    "convert_points",
    "convert_visibility",
    "crop_faces",
    "draw_faces",
    "eye_openness",
    "find_photos",
    "get_schema",
    "head_pose",
    "head_shape",
    "list_models",
    "list_schemas",
    "load",
    "load_dataset",
    "load_test_set",
    "match_predictions",
    "mouth_openness",
    "open_backend",
    "open_detector",
    "open_video",
    "predict_photos",
    "predict_test_set",
    "read_predictions",
    "read_rgb",
    "results_table",
    "score_points",
    "track",
    "write_image",
]

_HOMES = {
    "align": ("align_transform", "crop_faces"),
    "data.catalog": ("load_dataset",),
    "draw": ("draw_faces",),
    "errors": (
        "EfficientFanError",
        "InputError",
        "MissingDependencyError",
    ),
    "evaluation": (
        "EvaluationSetup",
        "load_test_set",
        "match_predictions",
        "predict_test_set",
        "read_predictions",
        "results_table",
        "score_points",
    ),
    "geometry": ("CropTransform",),
    "imaging": (
        "read_rgb",
        "write_image",
    ),
    "imaging.guarded": ("GuardedReader",),
    "metrics": ("MetricAccumulator",),
    "pose": ("Blink", "Pose", "blinks", "eye_openness", "head_pose", "head_shape", "mouth_openness"),
    "predict": (
        "Backend",
        "BackendOutput",
        "Detections",
        "PhotoFailure",
        "FaceDetector",
        "PhotoFaces",
        "LandmarkPredictor",
        "Photo",
        "StageTimes",
        "Workers",
        "find_photos",
        "load",
        "open_backend",
        "open_detector",
        "predict_photos",
    ),
    "schema": (
        "LandmarkSchema",
        "convert_points",
        "convert_visibility",
        "get_schema",
        "list_schemas",
    ),
    "spec": ("ModelSpec",),
    "structures": (
        "Annotation",
        "Face",
    ),
    "version": ("__version__",),
    "video": (
        "FaceTracker",
        "Frame",
        "Video",
        "VideoFrame",
        "open_video",
        "track",
    ),
    "weights": ("list_models",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
