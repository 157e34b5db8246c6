"""The NASA portrait at any angle: landmarks must be as exact as they are upright, if the detector tells the roll."""

import cv2
import numpy as np
import pytest
from skimage.data import astronaut

import efficientfan
from efficientfan.geometry import CropTransform
from efficientfan.predict import Detections
from efficientfan.schema import convert_points

BOX = [[176.0, 84.0, 262.0, 182.0]]


class Told:
    """A detector that finds what it was told."""

    name = "told"

    def __init__(self, box, five):
        self.found = Detections(box, [0.8], five)

    def detect(self, image):
        return self.found


@pytest.fixture(scope="module")
def upright():
    [face] = efficientfan.load(detector=Told(BOX, None), threads=1)(astronaut())
    return face


def turned(degrees):
    """The portrait turned counter-clockwise about the face, and the transform."""
    transform = CropTransform.from_box([90, 4, 348, 262], 400, 0.0, rotation=degrees)
    photo = cv2.warpAffine(astronaut(), transform.matrix, (400, 400), borderValue=(128, 128, 128))
    return np.asarray(photo), transform


@pytest.mark.parametrize("degrees", [30, 60, 90, 135, 180, -90])
@pytest.mark.parametrize("passes", ["auto", 2])
def test_a_rolled_face_has_the_landmarks_that_it_has_upright(upright, degrees, passes):
    photo, transform = turned(degrees)
    expected = transform.apply(upright.points)
    five = convert_points(expected, upright.schema, "five")
    box = [*expected.min(axis=0), *expected.max(axis=0)]
    [face] = efficientfan.load(detector=Told([box], five[None]), threads=1, passes=passes)(photo)
    apart = np.linalg.norm(face.points - expected, axis=1).mean()
    eyes = np.linalg.norm(expected[36] - expected[45])
    assert apart < 0.02 * eyes
    assert face.roll == pytest.approx(degrees, abs=12)
    assert face.detector_box == pytest.approx(box, rel=1e-5)
    assert face.detector_score == pytest.approx(0.8)
    assert face.to_dict()["detector_score"] == 0.8


def test_landmarks_tell_the_roll_where_the_detector_does_not(upright):
    photo, transform = turned(40)
    expected = transform.apply(upright.points)
    box = [*expected.min(axis=0), *expected.max(axis=0)]
    [face] = efficientfan.load(detector=Told([box], None), threads=1)(photo)
    assert face.roll == pytest.approx(40, abs=12)
    assert np.linalg.norm(face.points - expected, axis=1).mean() < 0.02 * np.linalg.norm(
        expected[36] - expected[45]
    )


@pytest.mark.parametrize("degrees", [0, 90, 180])
@pytest.mark.parametrize("wrong", [90, 180, 270])
def test_a_face_whose_roll_the_detector_mistakes_is_turned(upright, degrees, wrong):
    photo, transform = turned(degrees)
    expected = transform.apply(upright.points)
    box = [*expected.min(axis=0), *expected.max(axis=0)]
    _, mistaken = turned(degrees + wrong)
    five = convert_points(mistaken.apply(upright.points), upright.schema, "five")
    [face] = efficientfan.load(detector=Told([box], five[None]), threads=1)(photo)
    eyes = np.linalg.norm(expected[36] - expected[45])
    assert np.linalg.norm(face.points - expected, axis=1).mean() < 0.02 * eyes


class Counting:
    """A backend that counts the crops it is given."""

    def __init__(self, backend):
        self.backend, self.crops = backend, 0

    def __getattr__(self, name):
        return getattr(self.backend, name)

    def run(self, crops):
        self.crops += len(crops)
        return self.backend.run(crops)


@pytest.mark.parametrize(
    ("shift", "passes", "crops"), [(0, "auto", 1), (15, "auto", 2), (30, "auto", 5), (0, 2, 2), (30, 1, 1)]
)
def test_a_second_crop_only_where_it_would_show_something_else(upright, shift, passes, crops):
    box = [*upright.points.min(axis=0) + shift, *upright.points.max(axis=0) + shift]
    predictor = efficientfan.load(detector=Told([box], None), threads=1, passes=passes)
    counting = predictor.backend = Counting(predictor.backend)  # type: ignore[assignment]
    assert len(predictor(astronaut())) == 1
    assert counting.crops == crops
