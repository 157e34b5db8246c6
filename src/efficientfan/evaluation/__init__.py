"""Evaluation of landmarks and of face detectors on data sets, with the metrics of the data sets' papers."""

from efficientfan.evaluation.detection.evaluate import SearchedPhoto, score_detections, search_photos
from efficientfan.evaluation.detection.report import detection_table
from efficientfan.evaluation.detection.results import DetectionResults
from efficientfan.evaluation.landmarks.compare import Comparison, compare_runs, comparison_table
from efficientfan.evaluation.landmarks.evaluate import EvaluationSetup, mean_shape_points, predict_test_set
from efficientfan.evaluation.landmarks.matching import PredictedLandmarks
from efficientfan.evaluation.landmarks.predictions import match_predictions, read_predictions
from efficientfan.evaluation.landmarks.reliability import Reliability, measure_reliability
from efficientfan.evaluation.landmarks.report import results_table
from efficientfan.evaluation.landmarks.results import GroupScore, Results, dataset_digest
from efficientfan.evaluation.landmarks.score import score_points
from efficientfan.evaluation.landmarks.test_set import TestSet, load_test_set

__all__ = [
    "Comparison",
    "DetectionResults",
    "GroupScore",
    "PredictedLandmarks",
    "Reliability",
    "Results",
    "SearchedPhoto",
    "EvaluationSetup",
    "TestSet",
    "compare_runs",
    "comparison_table",
    "dataset_digest",
    "detection_table",
    "load_test_set",
    "match_predictions",
    "mean_shape_points",
    "measure_reliability",
    "predict_test_set",
    "read_predictions",
    "results_table",
    "score_detections",
    "score_points",
    "search_photos",
]
