"""Do landmarks stay the same on an older processor? A model's answers here and in an emulated one, side by side.

    python benchmarks/accuracy/emulated.py fast --root DATA/300w

Needs `qemu-x86_64` (Debian: qemu-user). Haswell has AVX2, but neither AVX512 nor VNNI: it adds two products of bytes in
16 bits, where large ones are cut off. A network takes some two hundred times as long there.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from efficientfan.data.catalog import load_dataset
from efficientfan.geometry import CropTransform
from efficientfan.imaging import read_rgb, warp
from efficientfan.predict import load
from efficientfan.weights import find_model

CHILD = """
import numpy, onnxruntime, sys
settings = onnxruntime.SessionOptions()
settings.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], settings, providers=["CPUExecutionProvider"])
crops = numpy.load(sys.argv[2])
numpy.save(sys.argv[3], numpy.concatenate([session.run(["points"], {"crops": each[None]})[0] for each in crops]))
"""
"""Few imports: they are slow there, too."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="+", help="names or .onnx files")
    parser.add_argument("--processor", default="Haswell", help="as `qemu-x86_64 -cpu help` names it")
    parser.add_argument("--root", type=Path, required=True, help="folder of 300-W")
    parser.add_argument("--faces", type=int, default=25)
    arguments = parser.parse_args()
    faces = load_dataset("300w", arguments.root, "common")
    chosen = [faces[round(place)] for place in np.linspace(0, len(faces) - 1, arguments.faces)]
    for model in arguments.models:
        backend = load(model, detector="whole", threads=1).backend
        spec = backend.spec
        crops = np.concatenate(
            [
                warp(
                    read_rgb(face.image),
                    [CropTransform.from_box(face.tight_box, spec.input_size, spec.crop_margin)],
                )
                for face in chosen
            ]
        )
        with TemporaryDirectory() as folder:
            given, found = Path(folder) / "crops.npy", Path(folder) / "points.npy"
            np.save(given, crops)
            interpreter = ["qemu-x86_64", "-cpu", arguments.processor, os.path.realpath(sys.executable)]
            subprocess.run(
                [*interpreter, "-c", CHILD, find_model(model), given, found],
                check=True,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                stderr=subprocess.DEVNULL,
            )
            there = np.load(found)
        moved = np.linalg.norm(there - backend.run(crops).points, axis=2) * 128 / spec.input_size
        print(
            f"{spec.name}: in {arguments.processor} the landmarks of {len(crops)} faces move by {moved.mean():.4f} "
            f"pixels of a crop of 128 in the mean and {moved.max():.4f} at worst"
        )


if __name__ == "__main__":
    main()
