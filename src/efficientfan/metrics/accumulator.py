"""`MetricAccumulator`: collects errors of batches and processes, and computes metrics by name.

Names: `nme_<normalizer>` (mean over the found faces), `fr@<t>` and `auc@<t>` (failure rate and area under the
CED at a threshold, as a fraction, by the first normalizer; missed faces count), `missed` (how many).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efficientfan.errors import InputError
from efficientfan.metrics.ced import auc_values, failure_values
from efficientfan.metrics.nme import box_diagonal, box_size, check_lengths, pair_distance, point_distances
from efficientfan.schema import LandmarkSchema

__all__ = ["MetricAccumulator", "default_normalizer", "normalizer_lengths", "sample_values"]

Array = NDArray[Any]


def default_normalizer(schema: LandmarkSchema) -> str:
    """The usual normalizer of a scheme: `interocular` where it defines the outer eye corners, else `box`."""
    return "interocular" if "interocular" in schema.normalizers else "box"


def normalizer_lengths(
    normalizer: str,
    schema: LandmarkSchema,
    truth: ArrayLike,
    boxes: ArrayLike | None = None,
    names: Sequence[str] | None = None,
) -> Array:
    """Checked lengths (N,) of a normalizer by name: one of the schema's, `box` (size) or `diagonal`.

    Args:
        normalizer: "interocular", "interpupil", another of `schema.normalizers`, "box" or "diagonal".
        truth: (N, K, 2).
        boxes: (N, 4) xyxy of the ground truth, needed by "box" and "diagonal".
        names: (N,) for messages.

    Raises:
        InputError: unknown name, no boxes where they are needed, or a degenerate length (names the sample).
    """
    count = len(np.asarray(truth))
    if normalizer in ("box", "diagonal"):
        if boxes is None:
            raise InputError(f"normalizer {normalizer!r} needs the ground-truth boxes")
        lengths = (box_size if normalizer == "box" else box_diagonal)(boxes)
    elif normalizer in schema.normalizers:
        lengths = pair_distance(truth, schema.normalizers[normalizer])
    else:
        known = ", ".join([*schema.normalizers, "box", "diagonal"])
        raise InputError(f"unknown normalizer {normalizer!r}; for schema {schema.name!r} there are {known}")
    return check_lengths(lengths, count, normalizer=normalizer, names=names)


def sample_values(name: str, errors: ArrayLike) -> Array:
    """The values, one per sample, whose mean is the metric: what a bootstrap resamples.

    `nme_...` leaves missed faces (infinite errors) out; `fr@t` and `auc@t` count them.

    >>> sample_values("fr@0.10", [0.05, float("inf")]).tolist()
    [0.0, 1.0]

    Raises:
        InputError: no such metric.
    """
    array = np.asarray(errors, dtype=np.float64)
    if name.startswith("nme_"):
        return array[np.isfinite(array)]
    match = re.fullmatch(r"(fr|auc)@(\d*\.?\d+)", name)
    if not match:
        raise InputError(
            f"unknown metric {name!r}; there are nme_<normalizer>, fr@<t> and auc@<t>, t such as 0.10"
        )
    return (failure_values if match[1] == "fr" else auc_values)(array, float(match[2]))


class MetricAccumulator:
    """Accumulates samples; the result does not depend on how they are split into batches or processes.

    >>> from efficientfan.schema import get_schema
    >>> schema = get_schema("ibug68")
    >>> truth = np.random.default_rng(0).uniform(0, 100, (4, 68, 2))
    >>> length = np.linalg.norm(truth[:, 36] - truth[:, 45], axis=1)
    >>> points = truth + 0.05 * length[:, None, None] * [1, 0]
    >>> first, second = MetricAccumulator(schema), MetricAccumulator(schema)
    >>> first.add(points[:3], truth[:3], names=["a", "b", "c"])
    >>> second.add(points[3:], truth[3:], names=["d"])
    >>> first.merge(second)
    >>> {name: round(value, 6) for name, value in first.compute(["nme_interocular", "fr@0.04"]).items()}
    {'nme_interocular': 0.05, 'fr@0.04': 1.0}
    """

    def __init__(self, schema: LandmarkSchema, normalizers: Sequence[str] | None = None) -> None:
        """The first normalizer is that of `fr`, `auc` and the breakdowns; the default is as papers do."""
        self.schema = schema
        self.normalizers = tuple(normalizers or [default_normalizer(schema)])
        self._rows: dict[
            str, tuple[Array, Array]
        ] = {}  # name -> (K,) pixel distances, (normalizers,) lengths

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def names(self) -> list[str]:
        """Names of the samples, in the order of their arrival."""
        return list(self._rows)

    def add(
        self,
        points: ArrayLike,
        truth: ArrayLike,
        *,
        names: Sequence[str],
        boxes: ArrayLike | None = None,
        mask: ArrayLike | None = None,
    ) -> None:
        """Add N samples.

        Args:
            points: (N, K, 2) predicted image pixels; NaN throughout for a face that was missed.
            truth: (N, K, 2), NaN where unlabeled.
            names: N names, unique in the data set.
            boxes: (N, 4) xyxy ground-truth boxes, for the normalizers `box` and `diagonal`.
            mask: (N, K) bool, False where a point is left out.

        Raises:
            InputError: a wrong shape, a repeated name, a degenerate normalizer or a sample without labels;
                the message names the sample.
        """
        distances = point_distances(points, truth, mask)
        if distances.shape[1] != self.schema.n_landmarks:
            raise InputError(
                f"{distances.shape[1]} points a sample do not fit schema {self.schema.name!r} "
                f"({self.schema.n_landmarks}); convert them first"
            )
        if len(names) != len(distances):
            raise InputError(f"{len(names)} names for {len(distances)} samples")
        lengths = [normalizer_lengths(kind, self.schema, truth, boxes, names) for kind in self.normalizers]
        for name, row, length in zip(names, distances, np.stack(lengths, axis=1), strict=True):
            if name in self._rows:
                raise InputError(f"sample {name!r} was added twice; names must be unique")
            if np.isnan(row).all():
                raise InputError(
                    f"sample {name!r} has no labeled landmark to measure; leave it out or correct its labels"
                )
            self._rows[name] = (row, length)

    def merge(self, other: MetricAccumulator) -> None:
        """Take over another's samples. One that both hold (a distributed sampler's padding) counts once."""
        if (other.schema.name, other.normalizers) != (self.schema.name, self.normalizers):
            raise InputError("only accumulators of the same schema and normalizers can be merged")
        for name, row in other._rows.items():
            self._rows.setdefault(name, row)

    def state(self) -> dict[str, Any]:
        """Plain arrays to send between processes; `load_state` on a new accumulator reads them."""
        rows = list(self._rows.values())
        k, count = self.schema.n_landmarks, len(self.normalizers)
        return {
            "names": self.names,
            "distances": np.stack([row[0] for row in rows]) if rows else np.zeros((0, k)),
            "lengths": np.stack([row[1] for row in rows]) if rows else np.zeros((0, count)),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Add what another's `state` holds, as `merge` does."""
        other = MetricAccumulator(self.schema, self.normalizers)
        rows = zip(state["names"], state["distances"], state["lengths"], strict=True)
        other._rows = {
            name: (np.asarray(distances), np.asarray(lengths)) for name, distances, lengths in rows
        }
        self.merge(other)

    def landmark_errors(self, normalizer: str | None = None) -> Array:
        """(N, K) fractions, NaN where masked, infinite where missed."""
        column = self._column(normalizer)
        if not self._rows:
            raise InputError("no sample was added, so there is nothing to measure")
        return np.stack([distances / lengths[column] for distances, lengths in self._rows.values()])

    def errors(self, normalizer: str | None = None) -> Array:
        """(N,) NME of each sample as a fraction, in the order of `names`; infinite where missed."""
        values = self.landmark_errors(normalizer)
        counted = ~np.isnan(values)
        return np.asarray(np.where(counted, values, 0.0).sum(axis=1) / counted.sum(axis=1))

    def compute(self, metrics: Sequence[str] | None = None) -> dict[str, float]:
        """Metrics by name as fractions; all NMEs, `fr@0.10` and `auc@0.10` by default.

        An NME is infinite where every face was missed.

        Raises:
            InputError: an unknown metric, or one of a normalizer that this accumulator does not hold.
        """
        chosen = metrics or [*(f"nme_{kind}" for kind in self.normalizers), "fr@0.10", "auc@0.10"]
        return {name: self._compute(name) for name in chosen}

    def _compute(self, name: str) -> float:
        if name == "missed":
            return float(np.isinf(self.errors()).sum())
        normalizer = name.removeprefix("nme_") if name.startswith("nme_") else None
        values = sample_values(name, self.errors(normalizer))
        return float(values.mean()) if len(values) else float("inf")

    def _column(self, normalizer: str | None) -> int:
        if normalizer is None:
            return 0
        if normalizer not in self.normalizers:
            raise InputError(
                f"errors by {normalizer!r} were not gathered; there are {', '.join(self.normalizers)}"
            )
        return self.normalizers.index(normalizer)
