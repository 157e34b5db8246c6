"""Measuring a model, or any tool's predictions, on a data set as its paper measures it."""

from efficientfan.evaluation.compare import Comparison, compare_runs, comparison_table
from efficientfan.evaluation.located import Located
from efficientfan.evaluation.predictions import points_from_predictions, read_predictions
from efficientfan.evaluation.reliability import Reliability, measure_reliability
from efficientfan.evaluation.results import GroupScore, Results, dataset_digest
from efficientfan.evaluation.run import Setup, mean_shape_points, model_points
from efficientfan.evaluation.score import score_points
from efficientfan.evaluation.tables import results_table
from efficientfan.evaluation.test_set import TestSet, load_test_set

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
