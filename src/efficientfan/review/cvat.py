"""A schema as a label of CVAT: a skeleton, whose points a COCO keypoints file then fills."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

from efficientfan.schema import LandmarkSchema

__all__ = ["cvat_labels"]


def cvat_labels(schema: LandmarkSchema) -> list[dict[str, Any]]:
    """What CVAT's label editor takes in its tab "Raw": one label `face`, with a point per landmark in their order.

    The picture of the skeleton has the schema's layout, or a circle where it has none.
    """
    nodes, names = range(1, schema.n_landmarks + 1), schema.landmarks
    angles = np.linspace(0, 2 * np.pi, schema.n_landmarks, endpoint=False)
    circle = 0.5 + 0.4 * np.stack([np.sin(angles), -np.cos(angles)], axis=1)
    places = 100 * np.asarray(schema.layout if schema.layout else circle, dtype=np.float64)
    lines = [
        f'<line x1="{places[a][0]:.2f}" y1="{places[a][1]:.2f}" x2="{places[b][0]:.2f}" y2="{places[b][1]:.2f}" '
        f'data-type="edge" data-node-from="{a + 1}" data-node-to="{b + 1}"></line>'
        for a, b in schema.edges
    ]
    circles = [
        f'<circle r="0.75" cx="{x:.2f}" cy="{y:.2f}" data-type="element node" data-element-id="{node}" '
        f'data-node-id="{node}" data-label-name="{escape(name)}"></circle>'
        for node, name, (x, y) in zip(nodes, names, places, strict=True)
    ]
    return [
        {
            "name": "face",
            "type": "skeleton",
            "attributes": [],
            "sublabels": [{"name": name, "type": "points", "attributes": []} for name in names],
            "svg": "".join(lines + circles),
        }
    ]
