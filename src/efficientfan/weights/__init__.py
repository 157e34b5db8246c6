"""The exported models that are part of the package.

Landmark models are `NAME.onnx` beside this file, with other names in `index.json`; face detectors are in `detectors/`.
"""

from __future__ import annotations

from pathlib import Path

from efficientfan.errors import InputError
from efficientfan.files import read_json

__all__ = ["aliases", "find_detector", "find_model", "list_detectors", "list_models"]

_FOLDER = Path(__file__).parent


def list_models() -> list[str]:
    """Names of the packaged models."""
    return sorted(path.stem for path in _FOLDER.glob("*.onnx"))


def list_detectors() -> list[str]:
    """Names of the packaged face detectors."""
    return sorted(path.stem for path in (_FOLDER / "detectors").glob("*.onnx"))


def aliases() -> dict[str, str]:
    """Other names of packaged models, such as "default" -> "efficientfan_lite0_192"."""
    return {str(alias): str(name) for alias, name in read_json(_FOLDER / "index.json").items()}


def find_model(model: str | Path) -> Path:
    """Path of an exported model, from a packaged model's name, an alias, or the path itself.

    Raises:
        InputError: neither a packaged model nor an existing file.
    """
    if not isinstance(model, str | Path):
        raise InputError(f"a model is a name or a path, not {model!r}")
    name = aliases().get(str(model), str(model))
    if name in list_models():
        return _FOLDER / f"{name}.onnx"
    if Path(model).is_file():
        return Path(model)
    packaged = ", ".join([*aliases(), *list_models()])
    raise InputError(
        f"{model}: no such model file, and no packaged model of that name; packaged are {packaged}"
    )


def find_detector(name: str) -> Path:
    """Path of a packaged face detector.

    Raises:
        InputError: none of that name.
    """
    if name not in list_detectors():
        raise InputError(f"no packaged face detector {name!r}; packaged are {', '.join(list_detectors())}")
    return _FOLDER / "detectors" / f"{name}.onnx"
