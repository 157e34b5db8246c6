"""Which landmark score tells faces from false alarms? Measured on training scenes; the test photos choose nothing.

The predictor runs without a threshold. A result is a face where its box or its detection overlaps an annotated
box (human, pseudo or crowd) by IoU >= 0.3, and a false alarm where both stay below 0.05.
`python benchmarks/detection/threshold.py --root DATA --out benchmarks/detection/threshold.json`
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from efficientfan.data.scenes.catalog import load_scenes
from efficientfan.files import write_json
from efficientfan.geometry import box_iou, box_of_points
from efficientfan.predict import LandmarkPredictor, load
from efficientfan.predict.detectors import HaarDetector, YuNetDetector, open_detector

FACE_IOU, NOTHING_IOU = 0.3, 0.05
THRESHOLDS = (0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.8)


def scores(predictor: LandmarkPredictor, root: Path, limit: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores of faces, and of false alarms."""
    faces, alarms = [], []
    for split in ("train", "crowds"):
        scenes = load_scenes("scenes", root / "scenes", split).spread(limit)
        for index, scene in enumerate(scenes.scenes):
            for face in predictor(scenes.read(index), min_score=0.0):
                looked_at = np.stack([face.box, box_of_points(face.points)])
                overlap = box_iou(looked_at, scene.boxes).max(initial=0)
                if overlap >= FACE_IOU:
                    faces.append(face.score)
                elif overlap < NOTHING_IOU:
                    alarms.append(face.score)
    return np.array(faces), np.array(alarms)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--model", default="default")
    parser.add_argument("--limit", type=int, default=150, help="photos of each set")
    parser.add_argument("--out", type=Path, help="results as JSON")
    arguments = parser.parse_args()
    results = {}
    yunet = next((arguments.root / "detectors").glob("*yunet*.onnx"))
    for detector in (open_detector("facefinder"), HaarDetector(), YuNetDetector(yunet)):
        faces, alarms = scores(
            load(arguments.model, detector=detector, threads=1), arguments.root, arguments.limit
        )
        print(f"{detector.name}: {len(faces)} faces, {len(alarms)} false alarms")
        rows = {
            f"{t:g}": {
                "faces_kept": round(float((faces >= t).mean()), 4),
                "alarms_kept": round(float((alarms >= t).mean()), 4),
            }
            for t in THRESHOLDS
        }
        for threshold, row in rows.items():
            print(f"  score >= {threshold}: {row}")
        results[detector.name] = {"faces": len(faces), "alarms": len(alarms), "thresholds": rows}
    if arguments.out is not None:
        write_json(arguments.out, results)


if __name__ == "__main__":
    main()
