"""Errors shown beside speeds: from results files of `efficientfan evaluate`, or from a model's own spec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from efficientfan.errors import InputError
from efficientfan.evaluation.landmarks.results import Results
from efficientfan.files import sha256_of
from efficientfan.spec import ModelSpec

__all__ = ["Accuracies", "read_accuracies"]

_VALIDATION = "val_nme"


@dataclass(frozen=True)
class Accuracies:
    """Errors by subject.

    Attributes:
        label: what the numbers are, such as "nme_interocular, 300w common, gt box".
        by_digest: SHA-256 of a model file -> NME as a fraction.
        by_name: name and label of what was evaluated, in lower case -> NME as a fraction.
    """

    label: str
    by_digest: Mapping[str, float]
    by_name: Mapping[str, float]

    def of_model(self, path: Path, spec: ModelSpec) -> float | None:
        """NME of this file as a fraction; without any results files, that of its spec, on validation faces."""
        return self.by_digest.get(sha256_of(path)) if self.by_digest else spec.metrics.get(_VALIDATION)

    def of_peer(self, name: str) -> float | None:
        """NME of the first results whose name or label contains `name`, as a fraction."""
        return next((nme for label, nme in self.by_name.items() if name in label), None)


def read_accuracies(paths: Sequence[Path]) -> Accuracies:
    """Read the NMEs of whole splits. Of two files about the same subject the first counts.

    Raises:
        InputError: not results files, or not of one data set, split, kind of box and normalizer.
    """
    label = ""
    by_digest: dict[str, float] = {}
    by_name: dict[str, float] = {}
    for path in paths:
        results = Results.load(path)
        metric = f"nme_{results.settings['normalizer']}"
        box = f"{results.settings.get('box', '?')} box"
        flip = " + flip test" if results.settings.get("flip_test") else ""
        own = f"{metric}, {results.dataset['name']} {results.dataset['split']}, {box}{flip}"
        if label and own != label:
            raise InputError(f"{path}: is {own}, but {paths[0]} is {label}; give results of one kind")
        label = own
        whole = list(results.groups.values())[-1]
        if metric not in whole.metrics:
            raise InputError(f"{path}: has no {metric} of the whole split")
        nme = whole.metrics[metric].value
        by_digest.setdefault(str(results.subject.get("sha256")), nme)
        for name in (str(results.subject.get("name", "")), results.label):
            by_name.setdefault(name.lower(), nme)
    return Accuracies(label or f"{_VALIDATION}, on each model's own validation faces", by_digest, by_name)
