"""Fit the detectors' box corrections on training photos; print what stands in predict/detectors/*.py.

Frontal cascade and YuNet: medians over the 300-W training scenes. Profile cascade: over turned AFLW faces,
since 300-W has next to none; those that tests count are not among them.
`python benchmarks/detection/fit_boxes.py --root DATA`
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from efficientfan.data.scenes.catalog import load_scenes
from efficientfan.geometry import box_iou
from efficientfan.predict.detectors import HaarDetector, YuNetDetector
from efficientfan.predict.detectors.base import shrink_to
from efficientfan.structures import BoxTrust, Scene

Array = NDArray[Any]

MATCH_IOU = 0.3


def ratios(boxes: Array, scene: Scene, mirrored: bool = False) -> list[list[float]]:
    """(shift x, shift y, scale x, scale y) from each raw box to the person's box that it overlaps most."""
    found, labeled = [], scene.boxes[scene.trust == BoxTrust.LABELED]
    for box, overlaps in zip(boxes, box_iou(boxes, labeled), strict=True):
        if overlaps.max(initial=0) > MATCH_IOU:
            true = labeled[overlaps.argmax()]
            size, true_size = box[2:] - box[:2], true[2:] - true[:2]
            shift = (true[:2] + true[2:] - box[:2] - box[2:]) / 2 / size
            found.append([-shift[0] if mirrored else shift[0], shift[1], *(true_size / size)])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--limit", type=int, default=500)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    haar = HaarDetector()
    yunet = YuNetDetector(next((arguments.root / "detectors").glob("*yunet*.onnx")))
    found: dict[str, list[list[float]]] = {"frontal": [], "profile": [], "yunet": []}
    scenes = load_scenes("scenes", arguments.root / "scenes", "train").spread(arguments.limit)
    for index, scene in enumerate(scenes.scenes):
        photo = scenes.read(index)
        small, factor = shrink_to(photo, haar.long_side)
        boxes, _ = haar.raw(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY))["frontal"]
        found["frontal"] += ratios(boxes / factor - 0.5, scene)
        small, factor = shrink_to(photo, yunet.long_side)
        found["yunet"] += ratios(yunet.raw(small)[0] / factor - 0.5, scene)
    framed = load_scenes("aflw68_framed", arguments.root / "aflw68", "fit").spread(arguments.limit)
    for index, scene in enumerate(framed.scenes):
        if framed.groups[index] == "frontal":
            continue
        small, factor = shrink_to(framed.read(index), haar.long_side)
        raw = haar.raw(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY))
        for kind in ("profile", "mirrored"):
            found["profile"] += ratios(raw[kind][0] / factor - 0.5, scene, mirrored=kind == "mirrored")
    for name, rows in found.items():
        shift_x, shift_y, scale_x, scale_y = np.median(rows, axis=0).round(3).tolist()
        print(f"{name}: shift ({shift_x}, {shift_y}), scale ({scale_x}, {scale_y}), {len(rows)} boxes")


if __name__ == "__main__":
    main()
