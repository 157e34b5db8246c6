"""dlib's 68-point shape predictor (Kazemi and Sullivan, CVPR 2014) on given boxes, as a predictions file.

    pip install dlib-bin face_recognition_models
    python benchmarks/accuracy/dlib_68.py faces.jsonl dlib.jsonl
    efficientfan evaluate --predictions dlib.jsonl --box gt --dataset 300w --root ROOT --split common

`faces.jsonl` comes from `boxes.py`.
"""

import argparse
import json
import time
from pathlib import Path

import dlib
import numpy as np
from PIL import Image

from efficientfan.benchmark.dlib_peer import dlib_model_file, to_dlib


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("faces", type=Path, help="JSON lines of image and boxes, from boxes.py")
    parser.add_argument("out", type=Path, help="predictions to write (.jsonl)")
    arguments = parser.parse_args()
    predictor, seconds, count = dlib.shape_predictor(str(dlib_model_file())), 0.0, 0
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
