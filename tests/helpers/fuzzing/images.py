"""Photos of every format that is read, drawn and damaged."""

from __future__ import annotations

import io
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from drawn_faces import drawn_face
from PIL import Image

from efficientfan.imaging import to_rgb
from fuzzing.mutations import damaged

__all__ = ["Images", "drawn_images"]


def drawn_images(side: int = 64) -> list[bytes]:
    """One drawn face as files of every format, mode and compression that is read."""
    face = Image.fromarray(drawn_face(np.random.default_rng(0), side)[0])
    deep = Image.fromarray(np.asarray(face.convert("L")).astype(np.uint16) * 200)
    turned = Image.Exif()
    turned[0x0112] = 6
    kinds: list[tuple[str, Image.Image, dict[str, Any]]] = [
        ("JPEG", face, {"exif": turned}),
        ("JPEG", face, {"progressive": True}),
        ("JPEG", face.convert("CMYK"), {}),
        ("JPEG", face.convert("L"), {}),
        ("PNG", face, {"exif": turned}),
        ("PNG", face.convert("RGBA").rotate(30), {}),
        ("PNG", face.quantize(16), {"transparency": 3}),
        ("PNG", deep, {}),
        ("BMP", face, {}),
        ("BMP", face.quantize(16), {}),
        ("WEBP", face, {}),
        ("WEBP", face.convert("RGBA").rotate(30), {"lossless": True}),
        ("GIF", face, {"save_all": True, "append_images": [face.rotate(90)]}),
        *(
            ("TIFF", face, {"compression": each})
            for each in (None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
        ),
        ("TIFF", face.convert("1"), {"compression": "group4"}),
        ("TIFF", deep, {}),
        ("PPM", face, {}),
        ("PPM", face.convert("L"), {}),
    ]
    files = []
    for kind, image, options in kinds:
        stream = io.BytesIO()
        image.save(stream, kind, **options)
        files.append(stream.getvalue())
    return files


class Images:
    """`to_rgb` of damaged files: RGB of no more pixels than are allowed, or a refusal.

    16 bytes per pixel, what the dearest decoder takes, are 67 MB here.
    """

    seconds, megabytes = 10.0, 128.0
    max_pixels = 1 << 22

    def __init__(self, folder: Path) -> None:
        self._files = drawn_images()

    def draw(self, chance: Random) -> bytes:
        return damaged(chance.choice(self._files), chance.choice(self._files), chance)

    def run(self, content: bytes) -> None:
        image = to_rgb(content, max_pixels=self.max_pixels)
        assert image.dtype == np.uint8
        assert image.ndim == 3
        assert image.shape[2] == 3
        assert image.shape[0] * image.shape[1] <= self.max_pixels
