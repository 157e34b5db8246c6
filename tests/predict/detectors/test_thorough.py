import numpy as np
import pytest

from efficientfan.errors import InputError
from efficientfan.predict.detectors import Detections, FaceFinder, Filtered, ThoroughDetector, open_detector


class CornerDetector:
    """Finds the brightest pixel, where that lies in the left upper quarter."""

    name = "corner"

    def detect(self, image):
        y, x = np.unravel_index(image[..., 0].argmax(), image.shape[:2])
        if y >= image.shape[0] / 2 or x >= image.shape[1] / 2:
            return Detections(np.zeros((0, 4)), np.zeros(0), np.zeros((0, 5, 2)))
        return Detections([[x - 1, y - 2, x + 3, y + 4]], [0.7], np.full((1, 5, 2), [x, y]))


@pytest.mark.parametrize(("x", "y"), [(3, 2), (25, 2), (25, 17), (3, 17)])
def test_each_quarter_turn_is_searched_and_turned_back(x, y):
    image = np.zeros((20, 30, 3), np.uint8)
    image[y, x] = 255
    found = ThoroughDetector(CornerDetector()).detect(image)
    assert len(found) == 1
    np.testing.assert_allclose(found.points[0], [[x, y]] * 5)
    x0, y0, x1, y1 = found.boxes[0]
    assert x0 <= x - 1 < x + 1 <= x1
    assert y0 <= y - 1 < y + 1 <= y1
    assert sorted([x1 - x0, y1 - y0]) == [4, 6]


def test_small_and_unsure_faces_are_left_out():
    class Stub:
        name = "stub"

        def detect(self, image):
            return Detections([[0, 0, 4, 9], [0, 0, 5, 5], [0, 0, 20, 20]], [0.9, 0.8, 0.1])

    image = np.zeros((9, 9, 3), np.uint8)
    assert Filtered(Stub(), min_face=8).detect(image).scores == pytest.approx([0.9, 0.1])
    assert Filtered(Stub(), min_score=0.5, min_face=8).detect(image).scores == pytest.approx([0.9])


def test_sizes_of_the_search():
    finder = open_detector("facefinder", detect_size=1000, min_face=20)
    assert isinstance(finder, FaceFinder)
    assert finder.long_sides[0] == 1000
    assert finder.min_face == 20
    assert open_detector("facefinder", thorough=True).name == "facefinder"
    for wrong in ({"detect_size": 8}, {"min_face": 0}, {"min_face": float("nan")}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            open_detector("facefinder", **wrong)
    with pytest.raises(InputError, match="neither detect_size nor a thorough search"):
        open_detector("whole", thorough=True)
