"""Recall and false positives of the packaged detectors, on 300-W test scenes and on AFLW faces in every pose.

A face is found where a detection overlaps its true box by IoU >= 0.4. A false positive is a detection that
overlaps neither a true box nor an ignored one (pseudo boxes, `iscrowd`) by IoU >= 0.2. Times are
processor time of one thread.
`python benchmarks/detection/recall.py --root ../shared/data --out benchmarks/detection/recall.json`
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scenes import Scene, framed_aflw, scenes

from efficientfan.files import write_json
from efficientfan.geometry import box_iou
from efficientfan.predict.detectors import FaceDetector, HaarDetector, YuNetDetector

FOUND_IOU, TOUCHED_IOU = 0.4, 0.2


def measure(detector: FaceDetector, photos: Iterable[Scene]) -> dict[str, dict[str, Any]]:
    """Group of scenes -> counts and rates."""
    rows: dict[str, list[tuple[int, int, int, float, float]]] = defaultdict(list)
    for scene in photos:
        started = time.thread_time()
        found = detector.detect(scene.image).boxes
        seconds = time.thread_time() - started
        best = box_iou(scene.boxes, found).max(axis=1, initial=0)
        known = np.concatenate([scene.boxes, scene.ignored])
        strays = int((box_iou(found, known).max(axis=1, initial=0) < TOUCHED_IOU).sum())
        hits = best >= FOUND_IOU
        row = (len(scene.boxes), int(hits.sum()), strays, float(best[hits].sum()), seconds)
        rows[scene.group].append(row)
        rows["all"].append(row)
    return {group: _summary(np.array(values)) for group, values in sorted(rows.items())}


def _summary(rows: np.ndarray) -> dict[str, Any]:
    faces, hits, strays, overlap, _ = rows.sum(axis=0)
    return {
        "images": len(rows),
        "faces": int(faces),
        "recall@iou0.4": round(hits / faces, 4),
        "mean_iou_of_found": round(overlap / max(hits, 1), 3),
        "false_positives": int(strays),
        "false_positives_per_image": round(strays / len(rows), 4),
        "cpu_ms_median": round(float(np.median(rows[:, 4])) * 1e3, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("../shared/data"))
    parser.add_argument("--limit", type=int, help="photos of each set; all without it")
    parser.add_argument("--out", type=Path, help="results as JSON")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    model = next((arguments.root / "detectors").glob("*yunet*.onnx"))
    results = {}
    for detector in (HaarDetector(), YuNetDetector(model)):
        for name, photos in (
            ("300w_test", scenes(arguments.root, "test", arguments.limit)),
            ("aflw68_framed", framed_aflw(arguments.root, arguments.limit)),
        ):
            results[f"{detector.name}/{name}"] = measure(detector, photos)
            for group, row in results[f"{detector.name}/{name}"].items():
                print(f"{detector.name:<6} {name:<14} {group:<10}", *(f"{k} {v}" for k, v in row.items()))
    if arguments.out is not None:
        write_json(arguments.out, results)


if __name__ == "__main__":
    main()
