from collections.abc import Generator
from typing import cast

import numpy as np
import pytest
from moving_discs import DiscDetector, disc_frames
from tiny_model import oval, spec, write_model

from efficientfan.errors import InputError
from efficientfan.geometry import BoxCorrection
from efficientfan.imaging import PhotoPyramid, write_image
from efficientfan.predict import LandmarkPredictor, OnnxBackend
from efficientfan.predict.predictor import Proposal
from efficientfan.structures import Face
from efficientfan.video import FaceTracker, Frame, Video, VideoFrame, track
from efficientfan.video.smoothing import SMOOTHINGS, LandmarkSmoother

RADIUS = 14


class Counting:
    """A backend that counts crops."""

    def __init__(self, backend):
        self.spec, self.threads, self._backend, self.crops = backend.spec, backend.threads, backend, 0

    def run(self, crops):
        self.crops += len(crops)
        return self._backend.run(crops)


@pytest.fixture
def predictor(model_file):
    return LandmarkPredictor(Counting(OnnxBackend(model_file, threads=1)), DiscDetector())


def follow(predictor, discs, count, **options):
    """For each frame: track id -> center of the landmarks."""
    frames = track(disc_frames(discs, count), predictor, min_score=0.2, **options)
    return [{face.track_id: face.points.mean(axis=0) for face in frame.faces} for frame in frames]


def assert_at(center, expected, tolerance=1.0):
    assert np.abs(center - np.asarray(expected)).max() < tolerance


def test_one_pass_per_frame_and_the_detector_now_and_then(predictor):
    found = follow(predictor, lambda i: [(30 + 3 * i, 60, RADIUS)], 31, detect_every=10)
    assert [list(each) for each in found] == [[1]] * 31
    for index, each in enumerate(found):
        assert_at(each[1], (30 + 3 * index, 60))
    assert predictor.detector.calls == 4  # in frames 0, 10, 20, 30
    assert predictor.backend.crops <= 31 + 3 + 1  # the first may be turned, and cut twice


def test_a_face_is_followed_in_boxes_as_the_model_was_trained(tmp_path):
    """Here 0.8 times the landmarks' box, which the tiny model's landmarks fill: it shrinks by that per frame."""
    told = spec(crop_box=BoxCorrection((0.0, 0.0), (0.8, 0.8))).to_json()
    backend = OnnxBackend(write_model(tmp_path / "narrow.onnx", text=told), threads=1)
    predictor = LandmarkPredictor(backend, DiscDetector(), passes=1)
    frames = list(track(disc_frames(lambda i: [(60, 60, RADIUS)], 3), predictor, min_score=0.2))
    first, second, third = (np.ptp(frame.faces[0].points, axis=0) for frame in frames)
    np.testing.assert_allclose([second, third], [0.8 * first, 0.64 * first], rtol=1e-3)


def test_frames_keep_their_numbers_times_and_pixels(predictor):
    images = [frame.image for frame in disc_frames(lambda i: [(60, 60, RADIUS)], 3)]
    source = [VideoFrame(2 * i, i / 7, image) for i, image in enumerate(images)]
    frames = list(track(source, predictor, min_score=0.2))
    assert [(frame.index, frame.time) for frame in frames] == [(0, 0), (2, 1 / 7), (4, 2 / 7)]
    assert all(frame.image is image for frame, image in zip(frames, images, strict=True))


def test_a_face_that_is_hidden_for_a_while_keeps_its_id_and_its_course(predictor):
    def discs(i):
        return [] if 10 <= i < 20 else [(20 + 3 * i, 60, RADIUS)]

    found = follow(predictor, discs, 30)
    assert [list(each) for each in found] == [[1]] * 10 + [[]] * 10 + [[1]] * 10
    assert_at(found[20][1], (80, 60))  # 33 pixels, more than its size, from where it was last seen


class Planned:
    """A predictor whose one face is planned for each frame, as (x, score); None: it finds none."""

    max_faces = None

    def __init__(self, plan):
        self.spec, self._plan = spec(), iter(plan)

    def locate_in(self, photo, regions):
        x, score = next(self._plan) or (0.0, 0.0)
        points = oval() + np.array([x, 60])
        box = [x - RADIUS, 60 - RADIUS, x + RADIUS, 60 + RADIUS]
        self._face = Face(box, points, np.full(68, score), self.spec.schema)
        return [self._face for _ in regions]

    def propose(self, image):
        return Proposal(PhotoPyramid(image), self._face.box[None], given=False)

    def locate(self, proposals, min_score):
        return [
            [self._face] if self._face.score >= min_score and len(each.boxes) else [] for each in proposals
        ]


def test_the_course_of_a_face_is_that_from_before_it_was_partly_hidden():
    """Its landmarks are pushed back by what covers it; it comes back where it would be without."""
    course = [(10.0 + 3 * i, 0.9) for i in range(30)]
    pushed = [(40.0 - 4 * i, 0.6) for i in range(1, 4)]
    plan = [*course[:11], *pushed, *[None] * 10, *course[24:]]
    tracker = FaceTracker(Planned(plan), min_score=0.2)
    image = np.zeros((120, 160, 3), np.uint8)
    ids = [[face.track_id for face in tracker.update(image, i / 30)] for i in range(30)]
    assert ids == [[1]] * 14 + [[]] * 10 + [[1]] * 6


def test_a_face_that_is_away_for_longer_comes_back_as_another(predictor):
    found = follow(predictor, lambda i: [] if 5 <= i < 20 else [(60, 60, RADIUS)], 25, keep=0.3)
    assert [list(each) for each in found] == [[1]] * 5 + [[]] * 15 + [[2]] * 5


def test_a_new_face_is_found_by_the_next_search(predictor):
    def discs(i):
        return [(40, 60, RADIUS), (110, 60, RADIUS)][: 1 + (i >= 4)]

    found = follow(predictor, discs, 20, detect_every=6)
    assert [len(each) for each in found] == [1] * 6 + [2] * 14
    assert_at(found[-1][2], (110, 60))


def test_faces_that_cross_keep_their_ids(predictor):
    def discs(i):
        return [(20 + 4 * i, 55, RADIUS), (140 - 4 * i, 65, RADIUS)]

    found = follow(predictor, discs, 31)
    left, right = (
        min(found[0], key=lambda id_: found[0][id_][0]),
        max(found[0], key=lambda id_: found[0][id_][0]),
    )
    assert_at(found[-1][left], (140, 55))
    assert_at(found[-1][right], (20, 65))
    assert set().union(*found) == {left, right}


def test_a_face_that_jumps_is_found_in_the_same_frame(predictor):
    found = follow(predictor, lambda i: [(30 + 90 * (i >= 4), 60, RADIUS)], 8, detect_every=100)
    assert all(len(each) == 1 for each in found)
    assert_at(next(iter(found[4].values())), (120, 60))


def test_where_the_detector_sees_no_face_landmarks_are_given_up(predictor):
    tracker = FaceTracker(predictor, detect_every=2, min_score=0.2)
    [frame] = disc_frames(lambda i: [(60, 60, RADIUS)], 1)
    assert tracker.update(frame.image, 0.0)
    predictor.detector.detect = lambda image: type(predictor.detector)().detect(image * 0)
    counts = [len(tracker.update(frame.image, index / 30)) for index in range(1, 8)]
    assert counts == [1, 1, 1, 1, 1, 0, 0]  # searched in every second frame, given up at the third time


def test_faces_follow_a_change_of_the_frames_size(predictor):
    small = list(disc_frames(lambda i: [(60, 60, RADIUS)], 3))
    large = [
        VideoFrame(3 + i, (3 + i) / 30, frame.image.repeat(2, axis=0).repeat(2, axis=1))
        for i, frame in enumerate(small)
    ]
    frames = list(track([*small, *large], predictor, min_score=0.2, smooth="light"))
    assert [[face.track_id for face in frame.faces] for frame in frames] == [[1]] * 6
    assert_at(frames[-1].faces[0].points.mean(axis=0), (120.5, 120.5))
    assert predictor.detector.calls == 1


def test_no_more_faces_than_were_asked_for(model_file):
    predictor = LandmarkPredictor(OnnxBackend(model_file, threads=1), DiscDetector(), max_faces=1)
    found = follow(predictor, lambda i: [(40, 60, RADIUS), (110, 60, RADIUS + 3)], 12, detect_every=3)
    assert [list(each) for each in found] == [[1]] * 12
    assert_at(found[-1][1], (110, 60))


def test_each_track_is_smoothed_after_the_tracking(predictor):
    def frames(smooth):
        moving = disc_frames(lambda i: [(30 + 3 * i, 60, RADIUS), (110, 20 + 2 * i, RADIUS)], 12)
        return [frame.faces for frame in track(moving, predictor, min_score=0.2, smooth=smooth)]

    smoothers = [LandmarkSmoother(SMOOTHINGS["strong"], predictor.spec.schema) for _ in range(2)]
    for index, (raw, smooth) in enumerate(zip(frames("off"), frames("strong"), strict=True)):
        for smoother, face, smoothed in zip(smoothers, raw, smooth, strict=True):
            expected = smoother(face.points, face.scores, index / 30)
            np.testing.assert_allclose(smoothed.points, expected, atol=1e-3)
            assert smoothed.track_id == face.track_id


def test_frames_are_checked(predictor):
    with pytest.raises(InputError, match="an image array is uint8"):
        FaceTracker(predictor).update(np.zeros((20, 20, 3)), 0.0)


@pytest.mark.parametrize("options", [{"detect_every": 0}, {"keep": -1}, {"smooth": "much"}])
def test_options_are_checked_at_once(predictor, options):
    with pytest.raises(InputError, match=next(iter(options)).replace("smooth", "smoothing 'much'")):
        track([], predictor, **options)


@pytest.mark.parametrize("n_read", [1, 3])
def test_a_video_that_it_opened_is_closed_at_its_end_and_when_it_is_left(
    predictor, tmp_path, monkeypatch, n_read
):
    """Or descriptors and decoders pile up until the collector of garbage comes by."""
    for frame in disc_frames(lambda i: [(60, 60, RADIUS)], 3):
        write_image(tmp_path / f"{frame.index}.png", frame.image)
    closed = []
    monkeypatch.setattr(Video, "close", lambda video: closed.append(video.name))
    frames = cast("Generator[Frame, None, None]", track(tmp_path, predictor))
    for _ in range(n_read):
        next(frames)
    assert not closed
    if n_read < 3:
        frames.close()
    else:
        assert next(frames, None) is None
    assert closed == [str(tmp_path)]
