"""The words in an exported file say what the code does."""

import re
from dataclasses import replace
from inspect import signature

import numpy as np
import pytest
from tiny_model import spec

from efficientfan.export.usage import USAGE_KEY, file_metadata, usage_in_words
from efficientfan.geometry import CropTransform
from efficientfan.predict.detectors.base import strongest
from efficientfan.spec import METADATA_KEY, DetectorSpec

DETECTOR = DetectorSpec(name="finder", network={}, stride=8, multiple=32, long_sides=(640, 160))


def numbers(pattern: str, text: str) -> list[float]:
    found = re.search(pattern.replace("#", r"(\d+(?:\.\d+)?)"), text)
    assert found is not None, text
    return [float(each) for each in found.groups()]


@pytest.mark.parametrize("changes", [{}, {"input_size": 192, "crop_margin": 0.1}])
def test_the_crop_in_words_is_the_crop(changes):
    words = usage_in_words(spec(**changes))
    (factor,) = numbers(r"side # \* max", words)
    (size,) = numbers(r"f = # / side", words)
    (middle,) = numbers(r"\(f \* \(x - cx\) \+ #, f \* \(y - cy\) \+ ", words)
    box = np.array([10.0, 20, 70, 60])
    f = size / (factor * 60)
    points = np.array([[12.5, 33.0], [40, 40]])
    told = spec(**changes)
    expected = CropTransform.from_box(box, told.input_size, told.crop_margin).apply(points)
    np.testing.assert_allclose((points - [40, 40]) * f + middle, expected, atol=1e-9)


def test_outputs_and_threshold_are_those_of_the_spec():
    words = usage_in_words(spec(score_threshold=0.35))
    assert "uint8, N x 32 x 32 x 3" in words
    assert "'points' N x 68 x 2" in words
    assert "score below 0.35" in words
    assert "visibility" not in words
    assert "'visibility' N x 68 x 3" in usage_in_words(spec(network={"visibility": True}))


def test_the_detector_in_words():
    words = usage_in_words(replace(DETECTOR, score_threshold=0.4))
    assert "multiples of 32" in words
    assert "longer side is 640, 160 pixels" in words
    assert numbers("score at least #; .* IoU above #,", words) == [
        0.4,
        signature(strongest).parameters["overlap"].default,
    ]


def test_the_words_stand_beside_the_spec():
    assert file_metadata(DETECTOR) == {
        METADATA_KEY: DETECTOR.to_json(),
        USAGE_KEY: usage_in_words(DETECTOR),
    }
