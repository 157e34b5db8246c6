"""Measuring a model, or any tool's predictions, on a data set as its paper measures it."""

from efficientfan.evaluation.landmarks.compare import Comparison, compare_runs, comparison_table
from efficientfan.evaluation.landmarks.evaluate import Setup, mean_shape_points, model_points
from efficientfan.evaluation.landmarks.matching import Located
from efficientfan.evaluation.landmarks.predictions import points_from_predictions, read_predictions
from efficientfan.evaluation.landmarks.reliability import Reliability, measure_reliability
from efficientfan.evaluation.landmarks.report import results_table
from efficientfan.evaluation.landmarks.results import GroupScore, Results, dataset_digest
from efficientfan.evaluation.landmarks.score import score_points
from efficientfan.evaluation.landmarks.test_set import TestSet, load_test_set

__all__ = [
    "Comparison",
    "GroupScore",
    "Located",
    "Reliability",
    "Results",
    "Setup",
    "TestSet",
    "compare_runs",
    "comparison_table",
    "dataset_digest",
    "load_test_set",
    "mean_shape_points",
    "measure_reliability",
    "model_points",
    "points_from_predictions",
    "read_predictions",
    "results_table",
    "score_points",
]
