"""The face detector of the package, on the NASA portrait in every size, and on what is no face."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.data import astronaut

import efficientfan
from efficientfan.files import sha256_of
from efficientfan.geometry import box_iou
from efficientfan.predict.detectors import FaceDetector, FaceFinder, detector_file, open_detector
from efficientfan.weights import find_detector, list_detectors

ROOT = Path(__file__).parents[3]
FACE = np.array(json.loads((Path(__file__).parents[1] / "golden_astronaut.json").read_text())["box"])
HEAD = (140, 50, 310, 220)
"""The portrait's head with hair and collar, xyxy."""


@pytest.fixture(scope="module")
def finder() -> FaceDetector:
    return open_detector("auto")


def head(side: int) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """The head at side x side pixels, and the face's box in it."""
    x0, y0, x1, y1 = HEAD
    factor = side / (x1 - x0)
    picture = cv2.resize(astronaut()[y0:y1, x0:x1], (side, side), interpolation=cv2.INTER_AREA)
    return picture, (FACE - [x0, y0, x0, y0] + 0.5) * factor - 0.5


def test_finds_the_portrait_with_the_box_of_its_landmarks(finder: FaceDetector) -> None:
    found = finder.detect(astronaut())
    assert len(found) == 1
    assert box_iou(found.boxes, FACE)[0, 0] > 0.75


@pytest.mark.parametrize("side", [60, 100, 333, 640, 1000])
def test_finds_it_from_sixteen_searched_pixels_to_a_whole_photo(finder: FaceDetector, side: int) -> None:
    picture, face = head(side)
    photo = np.full((720, 1280, 3), 90, np.uint8)
    photo[: min(720, side), 100 : 100 + side] = picture[:720]
    found = finder.detect(photo)
    assert box_iou(found.boxes, face + np.array([100, 0, 100, 0])).max() > 0.5


@pytest.mark.parametrize("degrees", [-135, -45, -30, 30, 45, 90, 180])
def test_finds_it_turned(finder: FaceDetector, degrees: float) -> None:
    center = (FACE[:2] + FACE[2:]) / 2
    matrix = cv2.getRotationMatrix2D(tuple(map(float, center)), degrees, 1.0)
    found = finder.detect(cv2.warpAffine(astronaut(), matrix, (512, 512)))
    assert box_iou(found.boxes, FACE).max() > 0.5


def test_finds_a_hundred_faces(finder: FaceDetector) -> None:
    picture, face = head(96)
    photo = np.tile(picture, (10, 10, 1))
    found = finder.detect(photo)
    corners = np.stack(np.meshgrid(np.arange(10), np.arange(10)), axis=-1).reshape(-1, 2) * 96
    wanted = face + np.concatenate([corners, corners], axis=1)
    assert (box_iou(wanted, found.boxes).max(axis=1) > 0.5).sum() >= 98


def test_finds_a_face_larger_than_the_frame(finder: FaceDetector) -> None:
    x0, y0, x1, y1 = np.rint(FACE + np.array([9, 9, -9, -9])).astype(int)
    found = finder.detect(np.ascontiguousarray(astronaut()[y0:y1, x0:x1]))
    assert len(found) == 1
    assert box_iou(found.boxes, FACE - [x0, y0, x0, y0])[0, 0] > 0.4


@pytest.mark.parametrize("shape", [(1, 1), (20, 20), (4, 900), (900, 4), (480, 640)])
@pytest.mark.parametrize("kind", ["black", "white", "noise"])
def test_finds_no_face_where_there_is_none(finder: FaceDetector, shape: tuple[int, int], kind: str) -> None:
    photo = np.full((*shape, 3), 255 * (kind == "white"), np.uint8)
    if kind == "noise":
        photo = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    assert len(finder.detect(photo)) == 0


@pytest.mark.parametrize("name", list_detectors())
def test_card_and_file_agree(name: str) -> None:
    path = find_detector(name)
    assert sha256_of(path) in (ROOT / "docs" / "models" / f"{name}.md").read_text()
    assert path.stat().st_size < 1_200_000
    spec = FaceFinder(path).spec
    assert spec.name == name
    assert "research only" in spec.license
    assert "aflw68 fit" in spec.training_data  # never the held-out faces


@pytest.mark.parametrize("name", ["facefinder", "auto", str(find_detector("facefinder"))])
def test_the_network_gets_the_threshold_itself(name: str) -> None:
    """Dropping detections afterwards could not bring back those below the model's own."""
    finder = open_detector(name, min_score=0.01, upright=True)
    assert isinstance(finder, FaceFinder)
    assert finder.min_score == 0.01
    plain = open_detector(name, upright=True)
    assert isinstance(plain, FaceFinder)
    assert plain.min_score == finder.spec.score_threshold > 0.01


def test_which_file_a_detector_has() -> None:
    assert detector_file("auto") == detector_file("facefinder") == find_detector("facefinder")
    assert detector_file("haar") is None


def test_the_predictor_takes_it_without_being_asked() -> None:
    predictor = efficientfan.load()
    assert predictor.detector.name == "facefinder"
    (face,) = predictor(astronaut())
    assert box_iou([*face.points.min(axis=0), *face.points.max(axis=0)], FACE)[0, 0] > 0.85
