"""MediaPipe Face Mesh (Kartynnik et al., 2019) mapped to the 68 iBUG points, as a predictions file.

    python -m venv peers-mp
    peers-mp/bin/pip install --no-deps mediapipe==0.10.21        # the last with models in its wheel
    peers-mp/bin/pip install "numpy<2" "protobuf<5" absl-py attrs flatbuffers matplotlib pillow \\
        opencv-python-headless==4.11.0.86
    peers-mp/bin/python benchmarks/accuracy/mediapipe_mesh.py fit train.jsonl offsets.json
    peers-mp/bin/python benchmarks/accuracy/mediapipe_mesh.py run faces.jsonl mesh.jsonl \\
        --offsets offsets.json

The mesh has no iBUG points: each is taken from the nearest vertex, and `fit` measures the mean offset that is
left on training photos, in a frame of the two outer eye corners. Each given box is cut out with a margin and
handed over as a photo of its own; the tool's own detector finds the face in it, or misses it.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

import mediapipe.python.solutions.face_mesh as face_mesh
import numpy as np
from PIL import Image

JAW = [162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389]
BROWS = [71, 63, 105, 66, 107, 336, 296, 334, 293, 301]
NOSE = [168, 197, 5, 4, 75, 97, 2, 326, 305]
EYES = [33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380]
MOUTH = [61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87]
VERTICES = JAW + BROWS + NOSE + EYES + MOUTH
"""Mesh vertex nearest to each iBUG point, by the two schemes' index pictures."""

MARGIN = 0.6
"""Share of the box's longer side added to the cut-out: the tool's detector wants some surroundings."""


def records(path: Path) -> Iterator[dict]:
    """The lines that `boxes.py` wrote."""
    for line in path.read_text().splitlines():
        yield json.loads(line)


def find(mesh: face_mesh.FaceMesh, image: np.ndarray, box: list[float]) -> np.ndarray | None:
    """(68, 2) image pixels of the face in a box, or None where the tool finds none."""
    x0, y0, x1, y1 = box
    half = max(x1 - x0, y1 - y0) * (1 + MARGIN) / 2
    left, top, side = round((x0 + x1) / 2 - half), round((y0 + y1) / 2 - half), round(2 * half)
    crop = np.zeros((side, side, 3), np.uint8)  # the tool wants squares; black lies outside the photo
    inside = image[max(0, top) : top + side, max(0, left) : left + side]
    y, x = max(0, -top), max(0, -left)
    crop[y : y + inside.shape[0], x : x + inside.shape[1]] = inside
    found = mesh.process(crop).multi_face_landmarks
    if not found:
        return None
    points = np.array([[found[0].landmark[v].x, found[0].landmark[v].y] for v in VERTICES])
    return points * side - 0.5 + [left, top]


def eye_frame(points: np.ndarray) -> np.ndarray:
    """(2, 2) with columns: the step between the outer eye corners, and the same turned by 90 degrees."""
    x, y = points[45] - points[36]
    return np.array([[x, -y], [y, x]])


def fit(mesh: face_mesh.FaceMesh, arguments: argparse.Namespace) -> None:
    """Write the mean offset of each point, in eye frames."""
    offsets = []
    for record in list(records(arguments.faces))[:: arguments.every]:
        image = np.asarray(Image.open(record["image"]).convert("RGB"))
        for box, truth in zip(record["boxes"], record["points"], strict=True):
            points = find(mesh, image, box)
            if points is not None:
                offsets.append(np.linalg.solve(eye_frame(points), (np.array(truth) - points).T).T)
    arguments.out.write_text(json.dumps(np.mean(offsets, axis=0).round(5).tolist()))
    print(f"offsets of {len(offsets)} training faces")


def run(mesh: face_mesh.FaceMesh, arguments: argparse.Namespace) -> None:
    """Write predictions."""
    offsets = np.array(json.loads(arguments.offsets.read_text())) if arguments.offsets else np.zeros((68, 2))
    seconds, count, missed = 0.0, 0, 0
    with arguments.out.open("w") as stream:
        for record in records(arguments.faces):
            image, faces = np.asarray(Image.open(record["image"]).convert("RGB")), []
            for box in record["boxes"]:
                start = time.perf_counter()
                points = find(mesh, image, box)
                seconds, count = seconds + time.perf_counter() - start, count + 1
                if points is None:
                    missed += 1
                    continue
                points = points + offsets @ eye_frame(points).T
                faces.append({"box": box, "points": points.round(3).tolist()})
            table = {"image": record["name"], "model": "mediapipe mesh", "schema": "ibug68", "faces": faces}
            stream.write(json.dumps(table) + "\n")
    print(f"{count} faces, {missed} missed, {1000 * seconds / max(count, 1):.1f} ms a face")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("task", choices=["fit", "run"])
    parser.add_argument("faces", type=Path, help="JSON lines from boxes.py (for fit: with --points)")
    parser.add_argument("out", type=Path, help="offsets.json, or predictions to write (.jsonl)")
    parser.add_argument("--offsets", type=Path, help="what fit wrote")
    parser.add_argument("--every", type=int, default=5, help="fit on every n-th photo")
    arguments = parser.parse_args()
    with face_mesh.FaceMesh(static_image_mode=True, max_num_faces=1, refine_landmarks=True) as mesh:
        (fit if arguments.task == "fit" else run)(mesh, arguments)


if __name__ == "__main__":
    main()
