"""Metrics as pure functions on arrays, and an accumulator over batches. Errors are fractions, never percent."""

from efficientfan.metrics.accumulator import (
    MetricAccumulator,
    default_normalizer,
    normalizer_lengths,
    sample_values,
)
from efficientfan.metrics.bootstrap import Estimate, bootstrap_mean, paired_difference
from efficientfan.metrics.breakdown import per_landmark, per_region
from efficientfan.metrics.ced import auc, ced, failure_rate
from efficientfan.metrics.nme import box_diagonal, box_size, interocular, interpupil, nme, point_distances

__all__ = [
    "Estimate",
    "MetricAccumulator",
    "auc",
    "bootstrap_mean",
    "box_diagonal",
    "box_size",
    "ced",
    "default_normalizer",
    "failure_rate",
    "interocular",
    "interpupil",
    "nme",
    "normalizer_lengths",
    "paired_difference",
    "per_landmark",
    "per_region",
    "point_distances",
    "sample_values",
]
