"""Every detector on every set of photos, by `efficientfan evaluate-detector`; `collect.py` takes the results.

    python benchmarks/detection/measure.py --root DATA --out runs/detection
    python benchmarks/collect.py runs/detection/*/*/results.json

An hour on one core. What is there already is not measured again; delete a folder to do so.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

DETECTORS = ("facefinder", "yunet", "haar")
SETS = (
    ("scenes", "scenes", "test"),
    ("scenes", "scenes", "masks_heldout"),
    ("scenes", "scenes", "lfw_heldout", "--unchecked"),
    ("scenes", "scenes", "crowds"),
    ("scenes_rolled", "scenes", "test"),
    ("aflw68_framed", "aflw68", "heldout"),
    ("noise", ".", "test"),
)
"""Data set, its folder in the root, its split, further options."""

OVERLAPS = ("0.3", "0.4", "0.5")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--out", type=Path, required=True, help="a folder per detector and set goes there")
    parser.add_argument("--detector", nargs="+", default=DETECTORS, help="names or .onnx files")
    arguments = parser.parse_args()
    for detector in arguments.detector:
        for dataset, folder, split, *options in SETS:
            out = arguments.out / Path(detector).stem / f"{dataset}_{split}"
            if (out / "results.json").exists():
                continue
            command = ["evaluate-detector", "--dataset", dataset, "--root", str(arguments.root / folder)]
            command += ["--split", split, "--detector", detector, "--out", str(out)]
            for overlap in OVERLAPS:
                command += ["--overlap", overlap]
            print(" ".join(["efficientfan", *command, *options]), flush=True)
            subprocess.run([sys.executable, "-m", "efficientfan.cli.main", *command, *options], check=True)


if __name__ == "__main__":
    main()
