"""Where a photo's time goes: each photo has its turn, and every stage its own clock."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from skimage import data

import efficientfan
from efficientfan.benchmark import run as module
from efficientfan.benchmark.photos import FacePhoto
from efficientfan.benchmark.run import Plan
from efficientfan.benchmark.stages import PARTS, PhotoRuns
from efficientfan.benchmark.timing import measure
from efficientfan.imaging import PhotoPyramid, write_image
from efficientfan.predict.timing import StageTimes

SIDE = 16


class SlowOnSome:
    """A predictor that searches photo i for i + 1 seconds of a clock of its own; its network takes ten seconds."""

    def __init__(self) -> None:
        self.now = 0.0
        self.times = StageTimes(self.clock)

    def clock(self) -> float:
        return self.now

    def propose(self, path):
        with self.times.measure("detect"):
            self.now += int(path.stem) + 1
        return SimpleNamespace(photo=PhotoPyramid(np.zeros((SIDE, SIDE, 3), np.uint8)))

    def locate(self, proposals):
        with self.times.measure("network"):
            self.now += 10
        return [[] for _ in proposals]


@pytest.fixture
def photos(tmp_path):
    """Five, which are called 0 to 4."""
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    box = np.array([[2.0, 2, 12, 12]])
    return [FacePhoto(tmp_path / f"{index}.png", image, np.repeat(box, 2, axis=0)) for index in range(5)]


@pytest.mark.parametrize("count", [1, 2, 4, 5])
@pytest.mark.parametrize("repeats", [1, 2, 3])
def test_photos_are_timed_in_turn(photos, count, repeats):
    predictor = SlowOnSome()
    runs = PhotoRuns("x", 1, "some", photos[:count], predictor)
    timings = measure([runs.job], rounds=20, repeats=repeats, clock=predictor.clock)
    (timing,) = timings.values()
    seconds = [each for visit in timing.rounds for each in visit]
    assert seconds == [11 + turn % count for turn in range(20 * repeats)]
    found = runs.times(timings)
    detect = [1 + turn % count for turn in range(20 * repeats)]
    assert found.parts == dict.fromkeys(PARTS, 0) | {
        "detect": 1e3 * np.median(detect),
        "network": 10_000,
    }
    assert found.total_ms == 1e3 * np.median(seconds)
    assert found.quartiles_ms == pytest.approx(tuple(1e3 * np.percentile(seconds, (25, 75))))
    assert (found.name, found.threads, found.scene, found.faces, found.found) == ("x", 1, "some", 2, 0)


@pytest.mark.parametrize(("rounds", "repeats"), [(1, 5), (3, 2), (9, 1)])
def test_a_benchmark_times_every_photo(photos, rounds, repeats, monkeypatch):
    seen, predictor = {}, SlowOnSome()

    def keep(jobs, **options):
        seen.update(measure(jobs, **options | {"clock": predictor.clock}))
        return seen

    monkeypatch.setattr(module, "measure", keep)
    monkeypatch.setattr(module, "open_detector", lambda *_: None)
    monkeypatch.setattr(module, "LandmarkPredictor", lambda *_, **__: predictor)
    subjects = [SimpleNamespace(name=name, open=lambda threads: None) for name in ("a", "b")]
    plan = Plan(threads=(1, 2))
    found = module._photo_times(
        {"one": photos[:1], "five": photos}, subjects, plan.threads, plan, rounds, lambda _, steps: steps
    )
    rows = [(each.name, each.threads, each.scene, each.faces) for each in found]
    assert rows == [(name, count, scene, 2) for name in "ab" for count in (1, 2) for scene in ("one", "five")]
    assert {len(visit) for timing in seen.values() for visit in timing.rounds} == {repeats}
    times = Counter(each for visit in seen["b/2/five"].rounds for each in visit)
    assert set(times) == {11, 12, 13, 14, 15}
    assert max(times.values()) - min(times.values()) <= 1


def test_the_stages_are_those_of_the_real_path(tmp_path):
    predictor = efficientfan.load("fast", detector="whole", threads=1, times=StageTimes())
    image = data.astronaut()[60:200, 150:300]
    write_image(tmp_path / "a.png", image)
    photo = FacePhoto(tmp_path / "a.png", image, np.array([[29.0, 28, 122, 118]]))
    runs = PhotoRuns("x", 1, "real", [photo], predictor)
    found = runs.times(measure([runs.job], rounds=2, repeats=1))
    assert all(ms > 0 for ms in found.parts.values())
    assert found.found == 1
    assert found.quartiles_ms[0] <= found.total_ms <= found.quartiles_ms[1]
    assert found.processor_ms > 0
