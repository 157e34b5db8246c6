"""The photos and ground-truth boxes of a split as JSON lines, for peers in environments of their own.

    python benchmarks/accuracy/boxes.py --dataset 300w --root ROOT --split common faces.jsonl

One line a photo: {"image": absolute path, "name": path below ROOT, "boxes": [[x0, y0, x1, y1], ...]}; with
`--points` also "points", which `mediapipe_mesh.py fit` needs of a training split (never publish that file).
"""

import argparse
import json
from pathlib import Path

from efficientfan.data.catalog import load_dataset
from efficientfan.evaluation.landmarks.test_set import annotation_boxes
from efficientfan.files import write_text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--split", required=True)
    parser.add_argument("--points", action="store_true", help="write the annotated points, too")
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    annotations = load_dataset(arguments.dataset, arguments.root, arguments.split)
    records: dict[str, dict] = {}
    for annotation, box in zip(annotations, annotation_boxes(annotations, "gt"), strict=True):
        path = annotation.image.resolve()
        name = path.relative_to(arguments.root.resolve()).as_posix()
        record = records.setdefault(name, {"image": str(path), "name": name, "boxes": [], "points": []})
        record["boxes"].append(box.round(3).tolist())
        record["points"].append(annotation.points.round(3).tolist())
    for record in records.values():
        if not arguments.points:
            del record["points"]
    write_text(arguments.out, "".join(json.dumps(record) + "\n" for record in records.values()))
    print(f"{len(annotations)} faces in {len(records)} photos")


if __name__ == "__main__":
    main()
