"""Where a photo's time goes: each photo has its turn, and every step its own clock."""

from __future__ import annotations

from collections import Counter
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from efficientfan.benchmark import run as module
from efficientfan.benchmark.photos import FacePhoto
from efficientfan.benchmark.run import Plan
from efficientfan.benchmark.stages import PARTS, photo_times, stage_jobs
from efficientfan.benchmark.timing import measure
from efficientfan.imaging import write_image
from efficientfan.predict.detectors import Detections

SIDE = 16


class SlowOnSome:
    """A predictor and its parts for which photo i takes i + 1 seconds of a clock of its own, and all else none."""

    batch_size = 4
    spec = SimpleNamespace(input_size=8, crop_margin=0.25)

    def __init__(self) -> None:
        self.now = 0.0
        self.backend, self.detector = SimpleNamespace(run=len), self

    def clock(self) -> float:
        return self.now

    def detect(self, image):
        self.now += float(image[0, 0, 0]) + 1
        return Detections(np.zeros((0, 4)), np.zeros(0))

    def __call__(self, image, boxes=None):
        return []


@pytest.fixture
def photos(tmp_path):
    """Five; the grey value of each is its number."""
    found = []
    for index in range(5):
        image = np.full((SIDE, SIDE, 3), index, np.uint8)
        write_image(tmp_path / f"{index}.png", image)
        found.append(FacePhoto(tmp_path / f"{index}.png", image, np.array([[2.0, 2, 12, 12]])))
    return found


@pytest.mark.parametrize("count", [1, 2, 4, 5])
@pytest.mark.parametrize("repeats", [1, 2, 3])
def test_photos_are_timed_in_turn(photos, count, repeats):
    predictor = SlowOnSome()
    jobs = [job for job in stage_jobs("x", photos[:count], predictor) if job.key == "x/detect"]
    timing = measure(jobs, rounds=20, repeats=repeats, clock=predictor.clock)["x/detect"]
    seconds = [each for visit in timing.rounds for each in visit]
    assert seconds == [1 + turn % count for turn in range(20 * repeats)]


@pytest.mark.parametrize(("rounds", "repeats"), [(1, 3), (6, 3), (9, 2), (15, 1), (60, 1)])
def test_a_benchmark_times_every_photo(photos, rounds, repeats, monkeypatch):
    predictor, seen = SlowOnSome(), {}

    def keep(name, photos, predictor, timings):
        seen.update(timings)
        return photo_times(name, photos, predictor, timings)

    monkeypatch.setattr(module, "measure", partial(measure, clock=predictor.clock))
    monkeypatch.setattr(module, "photo_times", keep)
    groups = {"one": photos[:1], "five": photos}
    one, five = module._photo_times(
        groups, predictor, Plan(threads=(1,), rounds=rounds), lambda _, steps: steps
    )
    assert {len(visit) for timing in seen.values() for visit in timing.rounds} == {repeats}
    times = Counter(each for visit in seen["five/detect"].rounds for each in visit)
    assert set(times) == {1, 2, 3, 4, 5}
    assert max(times.values()) - min(times.values()) <= 1
    assert (one.scene, one.faces, one.found, one.parts["detect"]) == ("one", 1, 0, 1000)
    assert five.parts.keys() == set(PARTS)
    assert one.parts["network"] == one.predict_ms == 0
