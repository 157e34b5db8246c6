"""Facial landmarks: `load()` gives a predictor, `predictor(photo)` a list of `Face`.

Names are imported when they are first used, so that `import efficientfan` costs nothing and needs no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from efficientfan.errors import EfficientFanError, InputError, MissingDependencyError
    from efficientfan.geometry import CropTransform
    from efficientfan.imaging import read_rgb
    from efficientfan.predict import Detections, FaceDetector, LandmarkPredictor, load
    from efficientfan.schema import LandmarkSchema, get_schema, list_schemas
    from efficientfan.spec import ModelSpec
    from efficientfan.structures import Annotation, Face
    from efficientfan.version import __version__
    from efficientfan.weights import list_models

__all__ = [
    "Annotation",
    "CropTransform",
    "Detections",
    "EfficientFanError",
    "Face",
    "FaceDetector",
    "InputError",
    "LandmarkPredictor",
    "LandmarkSchema",
    "MissingDependencyError",
    "ModelSpec",
    "__version__",
    "get_schema",
    "list_models",
    "list_schemas",
    "load",
    "read_rgb",
]

_HOMES = {
    "errors": ("EfficientFanError", "InputError", "MissingDependencyError"),
    "geometry": ("CropTransform",),
    "imaging": ("read_rgb",),
    "predict": ("Detections", "FaceDetector", "LandmarkPredictor", "load"),
    "schema": ("LandmarkSchema", "get_schema", "list_schemas"),
    "spec": ("ModelSpec",),
    "structures": ("Annotation", "Face"),
    "version": ("__version__",),
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
