import cv2
import numpy as np
import pytest

from efficientfan.errors import InputError
from efficientfan.evaluation import EvaluationSetup
from efficientfan.evaluation.landmarks.evaluate import predict_in_photos
from efficientfan.imaging import write_image
from efficientfan.schema import get_schema
from efficientfan.structures import Annotation, Face

FIVE = get_schema("five")
COLORS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255)]
POINTS = np.array([[40.0, 30.0], [80.0, 34.0], [60.0, 50.0], [45.0, 70.0], [78.0, 72.0]])


def find_dots(photos):
    """One face per photo: the centers of its five dots, each told by its color."""
    faces = []
    for photo in photos:
        points = []
        for color in COLORS:
            rows, columns = np.nonzero((abs(photo.astype(int) - color) < 60).all(axis=2))
            points.append([columns.mean(), rows.mean()])
        faces.append([Face(np.array([0, 0, 1, 1]), np.array(points), np.ones(5), FIVE)])
    return faces


@pytest.mark.parametrize("roll", [0, 45, 90, 180, -30])
def test_points_of_rolled_photos_are_turned_back(tmp_path, roll):
    photo = np.zeros((100, 140, 3), np.uint8)
    for color, (x, y) in zip(COLORS, POINTS, strict=True):
        cv2.circle(photo, (int(x), int(y)), 4, color, -1)
    write_image(tmp_path / "dots.png", photo)
    truth = Annotation(tmp_path / "dots.png", POINTS, np.full(5, 2))
    seen = []

    def find(photos):
        seen.extend(photos)
        return find_dots(photos)

    predicted = predict_in_photos(find, [truth], FIVE, roll=roll)
    np.testing.assert_allclose(predicted.points[0], POINTS, atol=0.6)
    assert (seen[0].shape == photo.shape) == (roll == 0)


def test_only_searched_photos_can_be_rolled():
    with pytest.raises(InputError, match="--roll turns photos"):
        EvaluationSetup(roll=45)
    assert EvaluationSetup(box="detector", roll=45).roll == 45
