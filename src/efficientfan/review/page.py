"""A page of faces in one file that fetches nothing: crops with their landmarks over them, colored by score."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from efficientfan.errors import printable
from efficientfan.geometry import CropTransform, box_of_points
from efficientfan.imaging import warp
from efficientfan.review.faces import FoundFace
from efficientfan.schema import LandmarkSchema

__all__ = ["face_card", "review_page"]

SIDE = 256
"""Pixels of a crop."""

_STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; margin: 1.5rem; background: #faf9f6; color: #181c22; }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(256px, 1fr)); gap: 1rem; }
figure { margin: 0; }
figure svg { width: 100%; display: block; background: #181c22; }
figcaption { font-size: 13px; overflow-wrap: anywhere; }
circle { stroke: #000; stroke-width: .4; }
#points:not(:checked) ~ main circle { display: none; }
@media (prefers-color-scheme: dark) { body { background: #181c22; color: #eee; } }
"""


def face_card(face: FoundFace, photo: NDArray[Any], schema: LandmarkSchema, name: str, rank: int) -> str:
    """One face as HTML: its crop with dots from red, unsure, to green, sure.

    Args:
        face: landmarks in image pixels.
        photo: H x W x 3 uint8 RGB.
        schema: of the landmarks.
        name: of the photo, to stand below it.
        rank: of the face, from 1.

    Raises:
        InputError: its landmarks span no area.
    """
    crop = CropTransform.from_box(box_of_points(face.face.points), SIDE, 0.5)
    (pixels,) = warp(photo, [crop])
    _, jpeg = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    scores = np.zeros(len(schema.landmarks)) if face.face.scores is None else face.face.scores
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.2" fill="hsl({120 * score:.0f} 90% 55%)">'
        f"<title>{escape(landmark)} {score:.2f}</title></circle>"
        for landmark, (x, y), score in zip(
            schema.landmarks, crop.apply(face.face.points), np.clip(scores, 0, 1), strict=True
        )
        if np.isfinite([x, y]).all()
    )
    image = base64.b64encode(jpeg.tobytes()).decode("ascii")
    number = "" if face.number == 1 else f", face {face.number}"
    return (
        f'<figure><svg viewBox="0 0 {SIDE} {SIDE}"><image width="{SIDE}" height="{SIDE}" '
        f'href="data:image/jpeg;base64,{image}"/>{dots}</svg>'
        f"<figcaption>{rank}. score {face.score:.3f}, {escape(printable(name))}{number}</figcaption></figure>"
    )


def review_page(cards: Sequence[str], schema: LandmarkSchema) -> str:
    """The page of these faces, in their order."""
    title = f"{len(cards)} least sure faces"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>\n'
        f"<h1>{title}</h1><p>Landmarks: {escape(schema.name)}. Red dots are unsure, green ones sure; hold the "
        "pointer over a dot for its name.</p>\n"
        '<input type="checkbox" id="points" checked><label for="points"> landmarks</label>\n'
        "<main>\n" + "\n".join(cards) + "\n</main></html>\n"
    )
