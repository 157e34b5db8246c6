import threading
import tracemalloc
import weakref
from collections.abc import Generator

import numpy as np
import pytest
from tiny_model import disc_photo

from efficientfan.errors import InputError
from efficientfan.geometry import as_boxes
from efficientfan.imaging import write_image
from efficientfan.predict import Detections, LandmarkPredictor, OnnxBackend
from efficientfan.predict.detectors import HaarDetector, SharedDetector, WholeImageDetector
from efficientfan.predict.many import PhotoFailure, ThreadShares, Workers, predict_photos, share_threads
from efficientfan.predict.photos import Photo
from efficientfan.predict.timing import StageTimes

WAIT = 20  # seconds until a test that would hang fails


class Quarters:
    """Finds a face in some of a photo's quarters, which ones the photo's own content says."""

    name = "quarters"

    def detect(self, image):
        height, width = image.shape[:2]
        x, y = (width - 1) / 2, (height - 1) / 2
        boxes = np.array([[0, 0, x, y], [x, 0, width, y], [0, y, x, height], [x, y, width, height]])
        found = boxes[: int(image[0, 0, 2]) % 5]
        return Detections(found, np.ones(len(found)))

    def copy(self):
        return self


@pytest.fixture
def backend(model_file):
    return OnnxBackend(model_file, threads=1)


@pytest.fixture
def photos(tmp_path):
    """Photos of several sizes with 0 to 4 faces each, two of them broken."""
    rng = np.random.default_rng(0)
    paths = []
    for index in range(23):
        path = tmp_path / f"{index:02}.png"
        if index in (3, 11):
            path.write_bytes(b"nothing")
        else:
            image = rng.integers(0, 256, (60 + 5 * (index % 4), 90, 3), np.uint8)
            image[0, 0, 2] = index
            write_image(path, image)
        paths.append(Photo(str(path), path.name))
    return paths


def content(result):
    if isinstance(result, PhotoFailure):
        return result
    faces = [
        (face.box.tobytes(), face.points.tobytes(), face.scores.tobytes(), face.visibility)
        for face in result.faces
    ]
    return result.photo, result.image.tobytes(), faces


@pytest.mark.parametrize("threads", [1, 3])
def test_photos_of_strangers_give_the_same_results(backend, photos, threads):
    predictor = LandmarkPredictor(backend, Quarters(), batch_size=4)
    trusted = [content(result) for result in predict_photos(predictor, photos, min_score=0.1)]
    with Workers(threads) as workers:
        found = predict_photos(predictor, photos, min_score=0.1, workers=workers, untrusted=True)
        assert [content(result) for result in found] == trusted


def test_the_children_of_an_abandoned_run_end(backend, photos):
    predictor = LandmarkPredictor(backend, Quarters(), batch_size=4)
    with Workers(2) as workers:
        results = predict_photos(predictor, photos, workers=workers, untrusted=True)
        next(results)
        assert isinstance(results, Generator)
        results.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("efficientfan")]


@pytest.mark.parametrize("given", [False, True])
def test_workers_change_no_bit_of_any_result(backend, photos, given):
    boxes = {photo.name: np.array([[5.0, 5, 40, 50], [30, 2, 80, 55]]) for photo in photos[1:]}
    results = {}
    for threads in (1, 2, 5):
        predictor = LandmarkPredictor(backend, Quarters(), batch_size=4)
        with Workers(threads) as workers:
            found = predict_photos(
                predictor, photos, boxes if given else None, min_score=0.1, workers=workers
            )
            results[threads] = [content(result) for result in found]
    assert results[1] == results[2] == results[5]
    assert [result.photo.name for result in results[1] if isinstance(result, PhotoFailure)] == (
        ["00.png"] * given + ["03.png", "11.png"]
    )
    good = [result for result in results[1] if not isinstance(result, PhotoFailure)]
    assert [photo for photo, *_ in good] == [
        photo for photo in photos[given:] if photo.name[:2] not in ("03", "11")
    ]
    assert sum(len(faces) for *_, faces in good) > 20


def test_results_are_those_of_single_calls(backend, photos):
    predictor = LandmarkPredictor(backend, Quarters())
    with Workers(3) as workers:
        for result in predict_photos(predictor, photos, min_score=0, workers=workers):
            if not isinstance(result, PhotoFailure):
                alone = predictor(result.photo.path, min_score=0)
                assert [face.points.tobytes() for face in result.faces] == [
                    face.points.tobytes() for face in alone
                ]


def test_photos_are_read_and_searched_while_the_network_runs(backend, tmp_path):
    """The network does not answer for the first batch until a photo of the next one has been searched."""
    searched = threading.Event()

    class Telling(Quarters):
        def detect(self, image):
            if image[0, 0, 2] == 4:
                searched.set()
            return super().detect(image)

        def copy(self):
            return self

    class Waiting:
        spec = backend.spec

        def run(self, crops):
            assert searched.wait(WAIT)
            return backend.run(crops)

    paths = []
    for index in (1, 1, 4):
        image = disc_photo((40, 40, 20))
        image[0, 0, 2] = index
        write_image(tmp_path / f"{len(paths)}.png", image)
        paths.append(Photo(str(tmp_path / f"{len(paths)}.png"), ""))
    with Workers(2) as workers:
        predictor = LandmarkPredictor(Waiting(), Telling(), batch_size=2)
        assert len(list(predict_photos(predictor, paths, min_score=0, workers=workers))) == 3


def test_batches_go_through_the_network_at_once(backend, photos):
    meeting = threading.Barrier(2, timeout=WAIT)

    class Meeting:
        spec = backend.spec

        def run(self, crops):
            meeting.wait()
            return backend.run(crops)

    with Workers(2) as workers:  # 8 photos of one face each, one pass each: runs in pairs
        boxes = {photo.path: np.array([[0.0, 0, 20, 20]]) for photo in photos[4:8]}
        predictor = LandmarkPredictor(Meeting(), Quarters(), batch_size=1)
        results = list(predict_photos(predictor, photos[4:8], boxes, workers=workers))
    assert [len(result.faces) for result in results] == [1] * 4


def test_a_batch_ends_with_enough_faces_or_photos(backend, photos):
    sizes = []

    class Counting:
        spec = backend.spec

        def run(self, crops):
            sizes.append(len(crops))
            return backend.run(crops)

    four_faces = [photos[index] for index in (4, 9, 14, 19)]
    predictor = LandmarkPredictor(Counting(), Quarters(), batch_size=8)
    list(predict_photos(predictor, four_faces, min_score=0))
    assert sizes == [8] * 10  # two batches, each cut, turned three times for it is not sure, and cut again
    sizes.clear()
    nobody = [photos[index] for index in (0, 5, 10, 15)]
    assert [len(r.faces) for r in predict_photos(LandmarkPredictor(Counting(), Quarters()), nobody)] == [
        0
    ] * 4
    assert sizes == []


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_in_a_detector_is_not_swallowed(backend, photos, threads):
    class Broken(Quarters):
        def detect(self, image):
            raise RuntimeError("out of order")

    def go():
        with Workers(threads) as workers:
            list(predict_photos(LandmarkPredictor(backend, Broken()), photos, workers=workers))

    with pytest.raises(RuntimeError, match="out of order"):
        go()


@pytest.mark.parametrize("threads", [1, 3])
def test_memory_does_not_grow_with_the_number_of_photos(backend, tmp_path, threads):
    """Images alive at once, and the most memory in use, are those of a few batches however long the folder is."""
    write_image(tmp_path / "a.png", disc_photo((60, 60, 20), size=(320, 240)))
    photo = Photo(str(tmp_path / "a.png"), "a.png")
    batch_size = 2

    def run(n_photos):
        alive, most = [], 0
        predictor = LandmarkPredictor(backend, WholeImageDetector(), batch_size=batch_size)
        tracemalloc.start()
        with Workers(threads) as workers:
            for result in predict_photos(predictor, (photo for _ in range(n_photos)), workers=workers):
                alive = [ref for ref in alive if ref() is not None] + [weakref.ref(result.image)]
                most = max(most, len(alive))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most, peak / (320 * 240 * 3)

    for n_photos in (30, 90):
        most, peak = run(n_photos)
        assert most <= batch_size + 1  # of those that were handed out, one batch and the one before
        # a batch and one more a worker, the one that is gathered and the one that is handed out; then, for each
        # worker, a photo being read in three copies, and its crops
        assert peak < (threads + 3) * batch_size + 5 * threads + 3


def test_leaving_early_leaves_no_thread(backend, photos):
    with Workers(3) as workers:
        for _ in predict_photos(
            LandmarkPredictor(backend, Quarters(), batch_size=2), photos, workers=workers
        ):
            break
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("efficientfan")]


def test_given_boxes_are_checked_once(backend, photos, monkeypatch):
    checked = []

    def counting(boxes):
        checked.append(boxes)
        return as_boxes(boxes)

    monkeypatch.setattr("efficientfan.predict.given_boxes.as_boxes", counting)
    boxes = {"00.png": [[5.0, 5, 40, 50]], "01.png": [[500.0, 5, 540, 50]], "02.png": [[9.0, 5, 4, 50]]}
    predictor = LandmarkPredictor(backend, Quarters())
    good, *bad = predict_photos(predictor, photos[:3], boxes)
    assert len(good.faces) == 1
    for failure, photo, reason in zip(bad, photos[1:3], ("wholly outside", "no positive width"), strict=True):
        assert failure.reason.startswith(f"{photo.path}: box 0 ")
        assert reason in failure.reason
    assert checked == list(boxes.values())


def test_every_stage_is_timed(backend, photos):
    times = StageTimes()
    predictor = LandmarkPredictor(backend, Quarters(), times=times)
    with Workers(2) as workers:
        list(predict_photos(predictor, photos, min_score=0, workers=workers))
    assert [row.stage for row in times.rows(1, 1)] == ["read", "detect", "crop", "network", "faces"]


def test_each_thread_searches_with_a_copy_of_its_own():
    used, meeting = set(), threading.Barrier(3, timeout=WAIT)

    class Copied(Quarters):
        def detect(self, image):
            meeting.wait()
            used.add(self)
            return super().detect(image)

        def copy(self):
            return Copied()

    detector = Copied()
    shared = SharedDetector(detector)
    with Workers(3) as workers:
        list(workers.map(shared.detect, [np.zeros((9, 9, 3), np.uint8)] * 9, ahead=3))
    assert len(used) == 3
    assert detector not in used
    assert shared.name == "quarters"


def test_a_detector_that_cannot_be_copied_is_used_in_turn():
    inside, most = [], []

    class Single:
        name = "single"

        def detect(self, image):
            inside.append(1)
            most.append(len(inside))
            threading.Event().wait(0.001)  # long enough for another thread to come in, were it let
            inside.pop()
            return Detections(np.zeros((0, 4)), np.zeros(0))

    with Workers(4) as workers:
        list(workers.map(SharedDetector(Single()).detect, [np.zeros((9, 9, 3), np.uint8)] * 40))
    assert most == [1] * 40


def test_copies_of_detectors_have_the_same_settings():
    copy = HaarDetector(300, 0.1).copy()
    assert (copy.long_side, copy.min_face) == (300, 0.1)
    whole = WholeImageDetector()
    assert whole.copy() is whole


def ours():
    return [thread for thread in threading.enumerate() if thread.name.startswith("efficientfan")]


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_the_order_of_the_items(threads):
    with Workers(threads) as workers:
        doubled = workers.map(lambda x: x * 2, range(40))
        assert list(workers.map(lambda x: x + 1, doubled)) == [x * 2 + 1 for x in range(40)]
        assert list(workers.map(str, [])) == []
    assert not ours()


def test_work_happens_at_once():
    meeting = threading.Barrier(3, timeout=20)  # breaks, and raises, unless three threads meet
    with Workers(3) as workers:
        assert sorted(workers.map(lambda _: meeting.wait(), range(6), ahead=3)) == [0, 0, 1, 1, 2, 2]


def test_with_one_thread_everything_happens_in_turn_where_the_caller_is():
    events = []

    def items():
        for item in range(3):
            events.append(f"take {item}")
            yield item

    def work(item):
        assert threading.current_thread() is threading.main_thread()
        events.append(f"work {item}")
        return item

    with Workers(1) as workers:
        for result in workers.map(work, items()):
            events.append(f"have {result}")
    assert events == [f"{verb} {item}" for item in range(3) for verb in ("take", "work", "have")]


@pytest.mark.parametrize(("ahead", "most"), [(None, 3), (1, 1), (7, 7)])
def test_no_more_items_are_taken_than_may_wait(ahead, most):
    taken = 0

    def items():
        nonlocal taken
        for item in range(30):
            taken += 1
            yield item

    with Workers(2) as workers:
        for had, _ in enumerate(workers.map(str, items(), ahead=ahead)):
            assert taken <= had + most


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_comes_where_its_result_would_and_leaves_no_thread(threads):
    had = []

    def work(item):
        if item == 4:
            raise KeyError("four")
        return item

    def go():
        with Workers(threads) as workers:
            had.extend(workers.map(work, range(100)))

    def collect():
        with Workers(threads) as workers:
            for result in workers.map(work, range(100)):
                had.append(result)

    with pytest.raises(KeyError, match="four"):
        collect()
    assert had == [0, 1, 2, 3]
    with pytest.raises(KeyError, match="four"):
        go()
    assert not ours()


def test_leaving_early_leaves_no_thread_and_drops_what_waits():
    done = []
    with Workers(2) as workers:
        for result in workers.map(done.append, range(1000), ahead=50):
            assert result is None
            break
    assert not ours()
    assert len(done) <= 50


def test_an_interrupt_leaves_no_thread():
    def interrupted():
        with Workers(2) as workers:
            for _ in workers.map(str, range(100)):
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not ours()


@pytest.mark.parametrize(
    ("threads", "photos", "shares"),
    [
        (1, 1000, (1, 1)),
        (8, 1000, (8, 1)),
        (8, 3, (3, 2)),
        (8, 1, (1, 8)),
        (2, 0, (1, 2)),
    ],
)
def test_threads_go_to_photos_first(threads, photos, shares):
    assert share_threads(threads, photos) == ThreadShares(*shares)


def test_without_a_number_all_cores_are_shared():
    assert share_threads(None, 10**6).workers >= 1
    assert share_threads(None, 10**6).each == 1


def test_no_thread_is_refused():
    with pytest.raises(InputError, match="at least 1, not 0"):
        Workers(0)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_run_that_goes_on_after_an_end_has_the_same_batches(model_file, photos, threads):
    class Counted(OnnxBackend):
        def run(self, crops):
            batches.append(len(crops))
            return super().run(crops)

    def run(which, ends):
        predictor = LandmarkPredictor(Counted(model_file, threads=1), Quarters(), batch_size=4)
        batches.clear()
        with Workers(threads) as workers:
            for _ in predict_photos(predictor, which, min_score=0.1, workers=workers, ends=ends):
                pass
        return sorted(batches)

    batches: list[int] = []
    whole = run(photos, {6, 13, 20})
    parts = [
        run(photos[:7], set()),
        run(photos[7:14], set()),
        run(photos[14:21], set()),
        run(photos[21:], set()),
    ]
    assert whole == sorted(sum(parts, start=[]))  # noqa: RUF017  # four short lists
    assert whole != run(photos, set())
