"""What the page has to know of the models: their specs and schemas, as `web/src/models.ts` reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from efficientfan.draw import region_colors
from efficientfan.errors import InputError
from efficientfan.files import sha256_of
from efficientfan.pose.head_shape import steady_shape
from efficientfan.predict.backends.onnx import OnnxBackend
from efficientfan.predict.detectors.facefinder import FaceFinder
from efficientfan.schema import LandmarkSchema, get_conversion
from efficientfan.weights import aliases, find_detector, find_model

__all__ = ["page_catalog"]

ALIASES = ("fast", "default", "tiny")
"""Of the packaged models, those that the page offers; the first one is chosen at first."""


def page_catalog() -> tuple[dict[str, Any], dict[str, Path]]:
    """The table that the page loads first, and the files that it names: path below the page's address -> file.

    The files' names hold a part of their SHA-256: a browser may keep them for ever.
    """
    paths = {alias: find_model(alias) for alias in ALIASES}
    specs = {alias: OnnxBackend(path, threads=1).spec for alias, path in paths.items()}
    finder = find_detector("facefinder")
    detector = FaceFinder(finder, threads=1).spec
    names = aliases()
    catalog = {
        "detector": {
            "name": detector.name,
            **_file_entry(finder),
            "multiple": detector.multiple,
            "long_sides": detector.long_sides,
            "score_threshold": detector.score_threshold,
        },
        "models": [
            {
                "name": names[alias],
                "alias": alias,
                **_file_entry(paths[alias]),
                "input_size": spec.input_size,
                "crop_margin": spec.crop_margin,
                "score_threshold": spec.score_threshold,
                "schema": spec.schema.name,
            }
            for alias, spec in specs.items()
        ],
        "schemas": {spec.schema.name: _schema_entry(spec.schema) for spec in specs.values()},
    }
    return catalog, {_file_entry(path)["file"]: path for path in (finder, *paths.values())}


def _file_entry(path: Path) -> dict[str, Any]:
    return {"file": f"models/{path.stem}-{sha256_of(path)[:8]}.onnx", "bytes": path.stat().st_size}


def _schema_entry(schema: LandmarkSchema) -> dict[str, Any]:
    try:
        five = get_conversion(schema, "five").means_of
    except InputError:
        five = None
    return {
        "landmarks": schema.landmarks,
        "edges": schema.edges,
        "colors": ["#" + bytes(color).hex() for color in region_colors(schema)],
        "five": five,
        "head": [place.tolist() if np.isfinite(place).all() else None for place in steady_shape(schema)],
    }
