from pathlib import Path

import numpy as np
import pytest

from efficientfan.predict.detectors import Detections
from efficientfan.structures import BoxTrust, Scene
from efficientfan.train.detection_proposals import merge_proposals, search_at_scales

HUMAN, PSEUDO, IGNORED, NEW = [0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10], [60, 0, 70, 10]
TRUST = np.array([BoxTrust.LABELED, BoxTrust.UNCHECKED, BoxTrust.IGNORED])
POINTS = np.arange(40.0).reshape(4, 5, 2)


def scene():
    return Scene(Path("photo.jpg"), np.array([HUMAN, PSEUDO, IGNORED], dtype=float), TRUST)


def test_people_stay_sure_and_take_over_the_points():
    found = Detections(np.array([HUMAN, PSEUDO, IGNORED, NEW]), np.array([0.3, 0.7, 0.9, 0.4]), POINTS)
    merged = merge_proposals(scene(), found)
    assert merged.boxes.tolist() == [HUMAN, PSEUDO, IGNORED, NEW]
    assert merged.trust.tolist() == [*TRUST, BoxTrust.UNCHECKED]
    assert merged.chances == pytest.approx([1, 0.7, 1, 0.4])
    np.testing.assert_allclose(merged.points, POINTS)


def test_what_the_detector_does_not_see_keeps_half_a_chance_if_nobody_checked_it():
    merged = merge_proposals(scene(), Detections(np.zeros((0, 4)), np.zeros(0)))
    assert merged.chances.tolist() == [1, 0.5, 1]
    assert np.isnan(merged.points).all()


class OnePixelDetector:
    """Finds a face of four pixels around the brightest pixel, in photos of at least 16 pixels."""

    name = "pixel"

    def detect(self, image):
        if len(image) < 16:
            return Detections(np.zeros((0, 4)), np.zeros(0))
        y, x = np.unravel_index(image[..., 0].argmax(), image.shape[:2])
        return Detections(
            np.array([[x - 2, y - 2, x + 2, y + 2]]), np.array([0.5]), np.full((1, 5, 2), [x, y])
        )


def test_scales_are_searched_and_their_places_scaled_back():
    photo = np.zeros((8, 8, 3), np.uint8)
    photo[4, 5] = 255
    found = search_at_scales(photo, OnePixelDetector(), (1.0, 2.0))
    assert len(found) == 1
    assert found.points[0, 0] == pytest.approx([5, 4], abs=0.3)
    assert found.boxes[0, 2] - found.boxes[0, 0] == pytest.approx(2)
