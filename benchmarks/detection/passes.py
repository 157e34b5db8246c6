"""What a second crop of a found face brings: crops and NME of one pass, two, and two only where they would differ.

On training photos, for the rule in `predict/crops.py` was chosen there. Prints a Markdown table.
`python benchmarks/detection/passes.py --root DATA`
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import efficientfan
from efficientfan.evaluation import EvaluationSetup, load_test_set, predict_test_set
from efficientfan.metrics import interocular, nme
from efficientfan.predict import BackendOutput


class Counted:
    """A backend that counts its crops."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self.crops = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def run(self, crops: NDArray[np.uint8]) -> BackendOutput:
        self.crops += len(crops)
        found: BackendOutput = self._backend.run(crops)
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--model", default="default")
    parser.add_argument("--detector", default="auto")
    parser.add_argument("--faces", type=int, default=300)
    arguments = parser.parse_args()
    whole = load_test_set("300w", arguments.root / "300w", "train")
    chosen = np.random.default_rng(0).permutation(len(whole.annotations))[: arguments.faces]
    test_set = replace(whole, annotations=[whole.annotations[i] for i in chosen])
    truth = np.stack([face.points for face in test_set.annotations])
    lengths = interocular(truth, test_set.schema)
    print("| passes | crops per face | missed | nme_interocular |\n|---|---|---|---|")
    for passes in (1, "auto", 2):
        predictor = efficientfan.load(arguments.model, detector=arguments.detector, threads=1, passes=passes)
        predictor.backend = counted = Counted(predictor.backend)
        found = predict_test_set(predictor, test_set, EvaluationSetup(box="detector")).points
        seen = np.isfinite(found).all(axis=(1, 2))
        error = nme(found[seen], truth[seen], lengths[seen]).mean()
        crops = counted.crops / len(truth)
        print(f"| {passes} | {crops:.2f} | {(~seen).sum()} | {100 * error:.3f} |", flush=True)


if __name__ == "__main__":
    main()
