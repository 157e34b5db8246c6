import pytest

from efficientfan.evaluation.detection.subjects import detector_file
from efficientfan.predict.detectors import FaceFinder, open_detector
from efficientfan.weights import find_detector


@pytest.mark.parametrize("name", ["facefinder", "auto", str(find_detector("facefinder"))])
def test_a_network_of_ours_gets_the_threshold_itself(name):
    """Dropping detections afterwards could not bring back those below the model's own."""
    finder = open_detector(name, min_score=0.01, upright=True)
    assert isinstance(finder, FaceFinder)
    assert finder.min_score == 0.01
    plain = open_detector(name, upright=True)
    assert isinstance(plain, FaceFinder)
    assert plain.min_score == finder.spec.score_threshold > 0.01


def test_which_file_a_detector_has():
    assert detector_file("auto") == detector_file("facefinder") == find_detector("facefinder")
    assert detector_file("haar") is None
