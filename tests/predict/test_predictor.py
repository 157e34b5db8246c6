import copy
import io
import os
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from tiny_model import MARGIN, SIZE, disc_photo, oval, spec, tiny_graph, write_model

from efficientfan.errors import InputError
from efficientfan.geometry import BoxCorrection
from efficientfan.imaging import write_image
from efficientfan.predict import Detections, LandmarkPredictor, OnnxBackend, load, open_detector
from efficientfan.predict.detectors import TurnedSearch


class Scripted:
    """Finds, in each image it is shown in turn, the boxes it was told."""

    name = "scripted"

    def __init__(self, *boxes):
        self.boxes = list(boxes)

    def detect(self, image):
        found = np.reshape(self.boxes.pop(0), (-1, 4))
        return Detections(found, np.ones(len(found)))


def square(x: float, y: float, half: float) -> list[float]:
    return [x - half, y - half, x + half, y + half]


@pytest.fixture
def backend(model_file):
    return OnnxBackend(model_file, threads=1)


def expected(center, half):
    """Landmarks of a disc in the middle of a crop around a square of `half` the side."""
    return np.asarray(center) + oval() * (2 * half * (1 + MARGIN) / SIZE)


def test_landmarks_are_where_the_disc_is(backend):
    photo = disc_photo((70.3, 51.8, 14.6))
    [face] = LandmarkPredictor(backend, Scripted())(photo, [square(66, 55, 25)])
    assert np.abs(face.points - expected((70.3, 51.8), 25)).max() < 0.02
    assert face.points.dtype == face.scores.dtype == face.box.dtype == np.float32
    assert face.box.tolist() == square(66, 55, 25)
    share = np.pi * 14.6**2 / (50 * (1 + MARGIN)) ** 2
    assert face.score == pytest.approx(200 / 255 * share, rel=0.02)


def test_visibility_reaches_the_face_it_is_of(backend, tmp_path):
    told = spec(network={"name": "none", "visibility": True}).to_json()
    seeing = OnnxBackend(write_model(tmp_path / "seeing.onnx", tiny_graph(visibility=True), told))
    photo = disc_photo((40, 60, 10), (110, 60, 20))
    boxes = [square(110, 60, 25), square(40, 60, 25)]
    faces = LandmarkPredictor(seeing, Scripted())(photo, boxes)
    assert faces[0].score > 2 * faces[1].score
    for face in faces:
        np.testing.assert_allclose(face.visibility, np.outer(face.scores, [1, 0.25, 0]), rtol=1e-6)
    assert all(face.visibility is None for face in LandmarkPredictor(backend, Scripted())(photo, boxes))


def test_second_crop_is_taken_from_the_landmarks(backend):
    [face] = LandmarkPredictor(backend, Scripted(square(66, 55, 25)))(
        disc_photo((70.3, 51.8, 14.6)), min_score=0
    )
    assert np.abs(face.box - square(70.3, 51.8, 25)).max() < 0.05


def test_second_crop_is_as_the_model_was_trained(tmp_path):
    """Here half as wide and high as the tight box of the landmarks."""
    told = spec(crop_box=BoxCorrection((0.0, 0.0), (0.5, 0.5))).to_json()
    backend = OnnxBackend(write_model(tmp_path / "narrow.onnx", text=told), threads=1)
    [face] = LandmarkPredictor(backend, Scripted(square(66, 55, 25)))(
        disc_photo((70.3, 51.8, 14.6)), min_score=0
    )
    assert np.abs(face.box - square(70.3, 51.8, 12.5)).max() < 0.05


def test_one_face_per_box_in_order_none_dropped(backend):
    boxes = [square(110, 60, 20), square(40, 60, 20), square(40, 60, 20), [-30, -30, 4, 4]]
    faces = LandmarkPredictor(backend, Scripted())(disc_photo((40, 60, 10)), boxes, min_score=1.0)
    assert [face.box.tolist() for face in faces] == boxes
    assert faces[3].score == 0
    assert LandmarkPredictor(backend, Scripted())(disc_photo(), []) == []


def test_red_is_the_first_channel(backend):
    photo = np.maximum(
        disc_photo((30, 60, 10), color=(255, 0, 0)), disc_photo((120, 60, 10), color=(0, 0, 255))
    )
    [face] = LandmarkPredictor(backend, Scripted())(photo, [square(75, 60, 60)])
    assert abs(face.points.mean(axis=0)[0] - 30) < 0.1


def test_found_faces_are_filtered_merged_and_sorted(backend):
    photo = disc_photo((40, 60, 12), (110, 50, 20))
    found = [square(42, 60, 15), square(38, 62, 15), square(80, 110, 9), square(110, 50, 25)]
    faces = LandmarkPredictor(backend, Scripted(found))(photo, min_score=0.1)
    assert (
        np.abs(
            [face.points.mean(axis=0) - xy for face, xy in zip(faces, [(110, 50), (40, 60)], strict=True)]
        ).max()
        < 0.1
    )


def test_min_score_comes_from_the_model_unless_given(backend, tmp_path):
    photo, box = disc_photo((40, 60, 12)), square(40, 60, 15)
    [face] = LandmarkPredictor(backend, Scripted())(photo, [box])
    for threshold, n_found in ((face.score - 0.01, 1), (face.score + 0.01, 0)):
        strict = write_model(tmp_path / "strict.onnx", text=spec(score_threshold=threshold).to_json())
        assert len(LandmarkPredictor(OnnxBackend(strict), Scripted(box))(photo)) == n_found
        assert len(LandmarkPredictor(backend, Scripted(box))(photo, min_score=threshold)) == n_found


def test_runaway_landmarks_leave_the_second_crop_where_the_detector_was(backend):
    box = square(50, 60, 20)
    [face] = LandmarkPredictor(backend, Scripted(box))(disc_photo((73, 83, 2)), min_score=0)
    assert face.box.tolist() == box


def test_batches_across_images_and_faces_change_nothing(backend):
    rng = np.random.default_rng(0)
    photos = [rng.integers(0, 256, (90 + 7 * i, 140, 3), np.uint8) for i in range(4)]
    boxes = [
        np.array([square(rng.uniform(20, 90), rng.uniform(20, 90), rng.uniform(8, 40)) for _ in range(n)])
        for n in (3, 0, 1, 6)
    ]
    boxes[1] = np.zeros((0, 4))
    alone = [
        LandmarkPredictor(backend, Scripted())(photo, [box])[0]
        for photo, own in zip(photos, boxes, strict=True)
        for box in own
    ]
    for batch_size in (1, 2, 3, 64):
        calls = []
        predictor = LandmarkPredictor(Counting(backend, calls), Scripted(), batch_size=batch_size)
        together = [face for faces in predictor.batch(photos, boxes) for face in faces]
        assert len(together) == len(alone) == 10
        assert sum(calls) == 10
        assert max(calls) == min(batch_size, 10)
        for one, other in zip(alone, together, strict=True):
            assert np.array_equal(one.points, other.points)
            assert np.array_equal(one.scores, other.scores)


class Counting:
    def __init__(self, backend, calls):
        self.backend, self.spec, self.device, self.calls = backend, backend.spec, backend.device, calls

    def run(self, crops):
        self.calls.append(len(crops))
        return self.backend.run(crops)


def test_boxes_for_some_images_of_a_list(backend):
    photos = [disc_photo((40, 60, 12)), disc_photo((100, 60, 12))]
    predictor = LandmarkPredictor(backend, Scripted(square(98, 61, 15)))
    result = predictor.batch(photos, [[square(42, 59, 15)], None])
    assert [[face.box.round().tolist() for face in faces] for faces in result] == [
        [square(42, 59, 15)],
        [square(100, 60, 15)],
    ]
    assert predictor.batch([]) == []


def test_images_of_every_kind_agree(backend, tmp_path):
    photo = disc_photo((40, 60, 12), color=(250, 120, 30))
    path = tmp_path / "a.png"
    write_image(path, photo)
    predictor, boxes = LandmarkPredictor(backend, Scripted()), [square(42, 59, 15)]
    [face] = predictor(photo, boxes)
    assert face.score > 0.1
    content = path.read_bytes()
    with path.open("rb") as file:
        given = [
            path,
            str(path),
            Image.fromarray(photo),
            content,
            bytearray(content),
            io.BytesIO(content),
            file,
        ]
        for image in given:
            assert predictor(image, boxes) == [face]
    assert predictor(photo[..., ::-1], boxes, channels="bgr") == [face]
    assert predictor(path, boxes, channels="bgr") == [face]
    assert predictor(photo[..., ::-1], boxes) != [face]


def test_an_array_of_images_is_a_batch(backend):
    photos = np.stack([disc_photo((40, 60, 12)), disc_photo((100, 60, 12))])
    predictor = LandmarkPredictor(backend, Scripted())
    boxes = [[square(42, 59, 15)], [square(98, 61, 15)]]
    alone = [predictor(photo, own) for photo, own in zip(photos, boxes, strict=True)]
    assert predictor.batch(photos, boxes) == alone
    assert predictor.batch(photos[..., ::-1], boxes, channels="bgr") == alone
    with pytest.raises(InputError, match=r"one image has shape H x W x 3, not \(2, 120, 160, 3\); .*batch"):
        predictor(photos, boxes[0])


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (disc_photo(), r"an array of images has shape N x H x W x 3, not \(120, 160, 3\)"),
        ("a.png", "takes a list of images or an N x H x W x 3 array, not str; for one image"),
        (b"a", "not bytes"),
        (Image.new("RGB", (8, 8)), "not Image"),
    ],
)
def test_one_image_is_no_batch(backend, images, message):
    with pytest.raises(InputError, match=message):
        LandmarkPredictor(backend, Scripted()).batch(images)


def test_a_call_on_a_list_is_a_batch_and_deprecated(backend):
    photos = [disc_photo((40, 60, 12)), disc_photo((100, 60, 12))]
    predictor, boxes = LandmarkPredictor(backend, Scripted()), [[square(42, 59, 15)], [square(98, 61, 15)]]
    with pytest.warns(DeprecationWarning, match=r"call predictor\.batch\(images\)") as caught:
        assert predictor(photos, boxes) == predictor.batch(photos, boxes)
    assert caught[0].filename == __file__


def test_a_predictor_says_what_it_is_and_does_not_pickle(backend):
    predictor = LandmarkPredictor(backend, Scripted(), batch_size=8)
    assert repr(predictor) == (
        "LandmarkPredictor(tiny, ibug68; onnxruntime on cpu, f32, 1 thread; detector: scripted; batch_size=8)"
    )
    for copying in (pickle.dumps, copy.copy):
        with pytest.raises(
            TypeError, match=r"holds an open model .*; call efficientfan\.load\(\) in each process"
        ):
            copying(predictor)


def test_faces_carry_the_models_name(backend):
    [face] = LandmarkPredictor(backend, Scripted())(disc_photo((40, 60, 12)), [square(42, 59, 15)])
    assert (face.model, face.to_dict()["model"]) == ("tiny", "tiny")


def test_no_face_is_an_empty_list(backend):
    assert LandmarkPredictor(backend, Scripted([]))(disc_photo()) == []
    assert LandmarkPredictor(backend, Scripted([], [])).batch([disc_photo(), disc_photo()]) == [[], []]


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        ([[10, 10, 5, 20]], "no positive width"),
        ([[0, 0, 5, float("nan")]], "not finite"),
        ([[0, 0, 1e155, 1e155]], "no pixel coordinate"),
        ([[0, 0, 10**400, 5]], "boxes must be numbers"),
        ([[200, 10, 220, 30]], "wholly outside the 160 x 120 image"),
        ([[0, -30, 5, -0.5]], "wholly outside"),
        ([[1, 2, 3]], "shape"),
    ],
)
def test_bad_boxes_are_refused(backend, boxes, message):
    with pytest.raises(InputError, match=message):
        LandmarkPredictor(backend, Scripted())(disc_photo(), boxes)


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -0.1, 1.1, "0.5", True])
def test_a_min_score_that_is_no_share_is_refused(backend, score):
    predictor = LandmarkPredictor(backend, Scripted([square(60, 60, 20)]))
    with pytest.raises(InputError, match="min_score is "):
        predictor(disc_photo((60, 60, 20)), min_score=score)


@pytest.mark.parametrize(
    "options",
    [
        {"threads": "2"},
        {"threads": 2.0},
        {"threads": 1025},  # engines start as many as they are told
        {"threads": 10**400},
        {"batch_size": "16"},
        {"batch_size": True},
        {"max_faces": 1.5},
        {"passes": [1]},
        {"device": 0},
        {"backend": 3},
        {"backend": [3]},
        {"precision": None},
        {"detector": 3},
        {"detector": None},
        {"model": None},
        {"model": 3},
    ],
)
def test_options_of_other_types_are_refused(model_file, options):
    with pytest.raises(InputError):
        load(**({"model": model_file, "detector": "whole"} | options))


@pytest.mark.parametrize(
    "options",
    [
        {"name": None},
        {"threads": "2"},
        {"min_score": float("nan")},
        {"min_score": "high"},
        {"detect_size": "640"},
        {"detect_size": 640.0},
        {"min_face": float("nan")},
        {"min_face": "large"},
    ],
)
@pytest.mark.parametrize("name", ["facefinder", "haar"])
def test_options_of_detectors_are_checked(name, options):
    with pytest.raises(InputError):
        open_detector(**({"name": name} | options))


def test_scores_of_networks_lie_within_0_and_1_those_of_cascades_anywhere():
    with pytest.raises(InputError, match="min_score is within 0 and 1, not 2"):
        open_detector("facefinder", min_score=2)
    assert len(open_detector("haar", min_score=1e6).detect(np.zeros((64, 64, 3), np.uint8))) == 0


def test_a_huge_box_costs_no_memory(backend):
    [face] = LandmarkPredictor(backend, Scripted())(disc_photo((40, 60, 12)), [[-1e9, -1e9, 1e9, 1e9]])
    assert np.isfinite(face.points).all()


def test_lists_of_other_lengths_are_refused(backend):
    with pytest.raises(InputError, match="2 images need as many sets of boxes, not 1"):
        LandmarkPredictor(backend, Scripted()).batch([disc_photo(), disc_photo()], [None])
    with pytest.raises(InputError, match="batch_size"):
        LandmarkPredictor(backend, Scripted(), batch_size=0)


class Careless:
    """Not safe for threads, as OpenCV's cascades are; says so where a thread comes while another is inside."""

    name = "careless"

    def __init__(self):
        self._inside = threading.Lock()

    def copy(self):
        return Careless()

    def detect(self, image):
        assert self._inside.acquire(blocking=False), "two threads at once"
        time.sleep(0.02)
        self._inside.release()
        return Detections(np.array([square(60, 60, 20)]), np.ones(1))


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("copies", [True, False])
def test_threads_may_share_a_predictor_whatever_its_detector(backend, monkeypatch, turned, copies):
    if not copies:
        monkeypatch.delattr(Careless, "copy")
    predictor = LandmarkPredictor(backend, TurnedSearch(Careless()) if turned else Careless())
    photo = disc_photo((60, 60, 20))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: predictor(photo), range(8)))
    assert all(faces == found[0] for faces in found)


def test_one_thread_asks_the_detector_itself(backend):
    detector = Scripted([square(60, 60, 20)])
    vars(detector)["copy"] = None  # it is not asked for one
    assert len(LandmarkPredictor(backend, detector)(disc_photo((60, 60, 20)))) == 1


def test_a_forked_process_is_told_to_load_its_own(backend, monkeypatch):
    """The engine's threads stay behind: a run would wait for them for ever."""
    predictor = LandmarkPredictor(backend, Scripted([square(60, 60, 20)]))
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pytest.raises(InputError, match=r"call efficientfan\.load\(\) in each process"):
        predictor(disc_photo((60, 60, 20)))
