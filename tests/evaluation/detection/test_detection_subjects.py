import pytest

from efficientfan.evaluation.detection.subjects import detector_file, detector_with_min_score
from efficientfan.predict.detectors import FaceFinder
from efficientfan.weights import find_detector


@pytest.mark.parametrize("name", ["facefinder", "auto", str(find_detector("facefinder"))])
def test_a_network_of_ours_gets_the_threshold_itself(name):
    """Dropping detections afterwards could not bring back those below the model's own."""
    finder = detector_with_min_score(name, 0.01)
    assert isinstance(finder, FaceFinder)
    assert finder.min_score == 0.01
    assert detector_with_min_score(name).min_score == finder.spec.score_threshold > 0.01


def test_which_file_a_detector_has():
    assert detector_file("auto") == detector_file("facefinder") == find_detector("facefinder")
    assert detector_file("haar") is None
