"""Pictures out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from PIL import Image

from efficientfan.errors import InputError
from efficientfan.files import atomic_path
from efficientfan.imaging.reading import IMAGE_SUFFIXES

__all__ = ["write_image"]

Array = NDArray[Any]


def write_image(path: str | Path, image: Array) -> None:
    """Write an H x W x 3 uint8 RGB image atomically; the suffix chooses the format.

    Raises:
        InputError: an unknown suffix, or a place that cannot be written to.
    """
    if Path(path).suffix.lower() not in IMAGE_SUFFIXES:
        raise InputError(f"{path}: unknown image suffix; use .png or .jpg")
    with atomic_path(path) as temporary:
        try:
            Image.fromarray(image).save(temporary, quality=92)
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error
