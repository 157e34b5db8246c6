import numpy as np
import pytest

from efficientfan.errors import InputError
from efficientfan.predict.detectors import Detections, FaceFinder, Filtered, TurnedSearch, open_detector


class CornerDetector:
    """Finds the brightest pixel, where that lies in the left upper quarter."""

    name = "corner"

    def detect(self, image):
        y, x = np.unravel_index(image[..., 0].argmax(), image.shape[:2])
        if y >= image.shape[0] / 2 or x >= image.shape[1] / 2:
            return Detections(np.zeros((0, 4)), np.zeros(0), np.zeros((0, 5, 2)))
        return Detections([[x - 1, y - 2, x + 3, y + 4]], [0.7], np.full((1, 5, 2), [x, y]))


@pytest.mark.parametrize(("x", "y"), [(3, 2), (25, 2), (25, 17), (3, 17)])
def test_turned_copies_are_searched_and_turned_back(x, y):
    image = np.zeros((20, 30, 3), np.uint8)
    image[y, x] = 255
    found = TurnedSearch(CornerDetector()).detect(image)
    assert len(found) == 1
    np.testing.assert_allclose(
        found.points[0], [[x, y]] * 5, atol=0.75
    )  # a pixel of an eighth turn is no pixel here
    x0, y0, x1, y1 = found.boxes[0]
    np.testing.assert_allclose([(x0 + x1) / 2, (y0 + y1) / 2], [x, y], atol=2)
    assert 4 <= min(x1 - x0, y1 - y0) <= max(x1 - x0, y1 - y0) <= 6


class Counting:
    """Finds a face of a given score in each image, at the same place, and counts the images."""

    name = "counting"

    def __init__(self, score):
        self.score, self.sides = score, []

    def detect(self, image):
        self.sides.append(max(image.shape[:2]))
        return Detections([[10, 10, 30, 40]], [self.score])


@pytest.mark.parametrize(("score", "searched"), [(0.6, 1), (0.5, 8)])
def test_turned_copies_are_searched_where_nothing_sure_stands_upright(score, searched):
    counting = Counting(score)
    found = TurnedSearch(counting, enough=0.55, min_score=0.9, long_side=50).detect(
        np.zeros((60, 100, 3), np.uint8)
    )
    assert len(counting.sides) == searched
    assert counting.sides[0] == 100
    assert all(side <= 60 for side in counting.sides[1:])
    np.testing.assert_allclose(found.boxes, [[10, 10, 30, 40]])  # the others are not sure enough


def test_small_and_unsure_faces_are_left_out():
    class Stub:
        name = "stub"

        def detect(self, image):
            return Detections([[0, 0, 4, 9], [0, 0, 5, 5], [0, 0, 20, 20]], [0.9, 0.8, 0.1])

    image = np.zeros((9, 9, 3), np.uint8)
    assert Filtered(Stub(), min_face=8).detect(image).scores == pytest.approx([0.9, 0.1])
    assert Filtered(Stub(), min_score=0.5, min_face=8).detect(image).scores == pytest.approx([0.9])


def test_sizes_of_the_search():
    finder = open_detector("facefinder", detect_size=1000, min_face=20, upright=True)
    assert isinstance(finder, FaceFinder)
    assert finder.long_sides[0] == 1000
    assert finder.min_face == 20
    assert open_detector("facefinder", thorough=True).name == "facefinder"
    for wrong in ({"detect_size": 8}, {"min_face": 0}, {"min_face": float("nan")}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            open_detector("facefinder", **wrong)
    with pytest.raises(InputError, match="leave one of them out"):
        open_detector("facefinder", thorough=True, upright=True)
    with pytest.raises(InputError, match="neither detect_size nor a thorough search"):
        open_detector("whole", thorough=True)
