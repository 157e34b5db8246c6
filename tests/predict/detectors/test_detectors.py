import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from efficientfan.errors import InputError, MissingDependencyError
from efficientfan.geometry import BoxCorrection, box_iou
from efficientfan.predict.detectors import (
    Detections,
    HaarDetector,
    WholeImageDetector,
    YuNetDetector,
    haar,
    open_detector,
)
from efficientfan.predict.detectors.base import Filtered, plausible, shrink_to, suppress
from efficientfan.predict.detectors.yunet import CORRECTION
from efficientfan.predict.fetch import FETCHABLE, cache_dir

FACE = [176, 84, 262, 182]
"""Brows to chin, ear to ear, of skimage's astronaut, measured by hand."""


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("factor", [1, 2.5])
def test_haar_finds_a_real_face(factor, mirrored):
    photo = cv2.resize(astronaut(), None, fx=factor, fy=factor)
    face = np.array(FACE) * factor
    if mirrored:
        photo = np.ascontiguousarray(photo[:, ::-1])
        face = np.array([photo.shape[1] - 1 - face[2], face[1], photo.shape[1] - 1 - face[0], face[3]])
    found = HaarDetector().detect(photo)
    assert box_iou(found.boxes[:1], face)[0, 0] > 0.7
    assert found.boxes.dtype == found.scores.dtype == np.float32
    assert (np.diff(found.scores) <= 0).all()


def test_haar_of_an_empty_picture_is_empty():
    assert len(HaarDetector().detect(np.zeros((90, 300, 3), np.uint8))) == 0
    assert len(HaarDetector().detect(np.zeros((1, 1, 3), np.uint8))) == 0


def test_the_mirrored_search_comes_back_to_its_side(monkeypatch):
    """A profile cascade that frames whatever begins at the white pixel, in the image and in its mirror."""
    detector = HaarDetector()

    def search(cascade, gray, *_):
        y, x = (int(place[0]) for place in np.nonzero(gray))
        found = [[x, y, x + 20, y + 20]] if cascade is detector._profile else []
        return np.reshape(found, (-1, 4)).astype(float), np.arange(len(found), dtype=float)

    monkeypatch.setattr(haar, "_search", search)
    photo = np.zeros((80, 100, 3), np.uint8)
    photo[40, 30] = 255
    right, left = np.array([[30, 40, 50, 60]]), np.array([[11, 40, 31, 60]])
    expected = np.concatenate([haar.PROFILE.apply(right), haar.PROFILE.mirrored().apply(left)]) - 0.5
    assert np.allclose(detector.detect(photo).boxes, expected, atol=1e-4)


def test_haar_without_cascades_says_what_to_install(monkeypatch):
    monkeypatch.delattr(cv2, "CascadeClassifier")
    with pytest.raises(MissingDependencyError, match="opencv-python-headless"):
        HaarDetector()


def test_whole_image_is_the_face():
    found = WholeImageDetector().detect(np.zeros((90, 300, 3), np.uint8))
    assert found.boxes.tolist() == [[-0.5, -0.5, 299.5, 89.5]]


class FakeYuNet:
    """Answers with a fixed box where the picture is small enough, as YuNet overlooks faces that fill it."""

    def __init__(self, row, longest):
        self.row, self.longest, self.sizes = row, longest, []

    def setInputSize(self, size):
        self.sizes.append(size)

    def detect(self, image):
        height, width = image.shape[:2]
        assert (width, height) == self.sizes[-1]
        self.color = image[0, 0].tolist()
        return 1, np.array([self.row], np.float32) if max(width, height) <= self.longest else None


def yunet(monkeypatch, longest=10_000):
    fake = FakeYuNet([100, 50, 40, 60, *[0] * 10, 0.9], longest)
    monkeypatch.setattr(cv2.FaceDetectorYN, "create", lambda *args: fake)
    return YuNetDetector("model.onnx", long_side=640), fake


def test_yunet_boxes_come_back_in_image_pixels(monkeypatch):
    detector, fake = yunet(monkeypatch)
    found = detector.detect(np.full((960, 1280, 3), (10, 20, 30), np.uint8))
    assert fake.sizes == [(640, 480)]
    assert fake.color == [30, 20, 10]  # OpenCV's models take BGR
    raw = np.array([[200, 100, 280, 220]]) - 0.5
    assert np.allclose(found.boxes, CORRECTION.apply(raw), atol=1e-4)
    assert found.scores.tolist() == [pytest.approx(0.9)]


def test_yunet_looks_again_at_half_the_size(monkeypatch):
    detector, fake = yunet(monkeypatch, longest=320)
    assert len(detector.detect(np.zeros((1280, 1280, 3), np.uint8))) == 1
    assert fake.sizes == [(640, 640), (320, 320)]
    detector, _ = yunet(monkeypatch, longest=0)
    assert detector.detect(np.zeros((100, 100, 3), np.uint8)).boxes.shape == (0, 4)


@pytest.mark.parametrize(
    "row",
    [
        [-8.6e27, -3.5e27, 0, 0],  # what the real network says of a picture of 5000 x 1 pixels
        [6270, -104650, 0.2, 0.1],
        [30, 30, 0, 20],
        [200, 30, 20, 20],
        [float("nan")] * 4,
    ],
)
def test_yunets_nonsense_is_left_out(monkeypatch, row):
    detector, fake = yunet(monkeypatch)
    fake.row[:4] = row
    assert len(detector.detect(np.zeros((100, 100, 3), np.uint8))) == 0


def test_faces_that_reach_over_the_edge_are_kept():
    image = np.zeros((50, 100, 3), np.uint8)
    boxes = np.array(
        [[-30, -30, 5, 5], [90, 40, 130, 80], [-9, -9, 300, 300], [-20, 0, 0, 9], [0, 50, 9, 60.0]]
    )
    assert plausible(boxes, image).tolist() == [True, True, True, False, False]


def test_auto_is_the_packaged_detector_whatever_was_fetched():
    path = cache_dir() / FETCHABLE["yunet"].file_name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"damaged")
    assert open_detector("auto").name == open_detector("facefinder").name == "facefinder"
    with pytest.raises(InputError, match="is damaged"):
        open_detector("yunet")


def test_named_detectors():
    assert open_detector("haar").name == "haar"
    assert open_detector("whole").name == "whole"
    with pytest.raises(MissingDependencyError, match="models fetch yunet"):
        open_detector("yunet")
    with pytest.raises(InputError, match="unknown detector 'mtcnn'; known are auto, facefinder, yunet, haar"):
        open_detector("mtcnn")


def test_correction_moves_and_scales_about_the_center():
    correction = BoxCorrection(shift=(0.1, 0.2), scale=(0.5, 1.0))
    assert correction.apply(np.array([[0.0, 0, 10, 20]])).tolist() == [[3.5, 4, 8.5, 24]]
    assert correction.mirrored().apply(np.array([[0.0, 0, 10, 20]])).tolist() == [[1.5, 4, 6.5, 24]]


def test_suppression_keeps_the_surest_of_those_that_overlap():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [30, 0, 40, 10], [2, 0, 12, 10.0]])
    overlap, scores = box_iou(boxes, boxes), np.array([1.0, 3, 2, 0.5])
    assert suppress(overlap > 0.5, scores) == [1, 2]
    assert suppress(overlap > 0.9, scores) == [1, 2, 0, 3]
    assert suppress(np.zeros((0, 0), dtype=bool), np.zeros(0)) == []


def test_shrinking_never_enlarges():
    image = np.zeros((30, 1000, 3), np.uint8)
    assert shrink_to(image, 2000)[1] == 1.0
    small, factor = shrink_to(image, 10)
    assert small.shape == (1, 10, 3)
    assert factor == pytest.approx(0.01)


@pytest.mark.parametrize(("width", "height"), [(4000, 3000), (4002, 2998), (4001, 3000)])
def test_large_images_shrink_in_place(width, height):
    """Halved first or not, the result is that of one step but for rounding."""
    center = np.array([0.83 * width, 0.31 * height])
    x, y = np.arange(width) - center[0], np.arange(height)[:, None] - center[1]
    spot = np.exp(-(x**2 + y**2) / (width / 20) ** 2)
    image = np.repeat((255 * spot).round().astype(np.uint8)[..., None], 3, axis=2)
    small, factor = shrink_to(image, 500)
    assert factor == 500 / width
    assert small.shape == (round(height * factor), 500, 3)
    at_once = cv2.resize(image, small.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(int) - at_once).max() <= 3
    assert np.abs(small.astype(int) - at_once).mean() < 0.3


def test_detections_need_a_score_a_box():
    with pytest.raises(InputError, match="1 boxes need as many scores, not 2"):
        Detections(np.zeros((1, 4)), np.zeros(2))


def test_a_threshold_of_ones_own_drops_the_unsure():
    class Stub:
        name = "stub"

        def detect(self, image):
            return Detections(np.eye(4)[:3] + np.array([0, 0, 1, 1]), [0.2, 0.6, 0.95], np.zeros((3, 5, 2)))

    finder = Filtered(Stub(), min_score=0.6)
    assert finder.name == "stub"
    found = finder.detect(np.zeros((1, 1, 3), np.uint8))
    assert found.scores == pytest.approx([0.6, 0.95])
    assert found.points.shape == (2, 5, 2)
