"""The pictures of a detector's evaluation: written, and of the numbers that they are given."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from efficientfan.evaluation.detection import report
from efficientfan.evaluation.detection.report import plot_recall_by_size, plot_recall_over_alarms
from efficientfan.evaluation.detection.results import Curve, DetectionResults, SizeRates
from efficientfan.imaging import read_rgb
from efficientfan.metrics import Estimate

CURVE = Curve(scores=[0.9, 0.8, 0.7], recall=[0.2, 0.5, 0.75], alarms_per_photo=[0.1, 0.2, 0.8])


def sizes(low: float, high: float | None, first: float, second: float) -> SizeRates:
    recall = {"0.4": Estimate(first, first, first), "0.5": Estimate(second, second, second)}
    return SizeRates("pixels", low, high, 4, recall)


RESULTS = DetectionResults(
    "stub",
    subject={},
    dataset={},
    settings={"overlaps": ["0.4", "0.5"]},
    groups={},
    sizes=[sizes(8, 16, 0.5, 0.25), sizes(16, None, 1.0, 0.75)],
    allowances=[],
    curves={"0.4": CURVE},
    samples={},
)


def with_curve(curve: Curve) -> DetectionResults:
    return replace(RESULTS, curves={"0.4": curve})


def recall_picture(folder, results):
    path = folder / "recall.png"
    path.unlink(missing_ok=True)
    plot_recall_over_alarms(path, {"stub": results})
    return read_rgb(path)


def sizes_picture(folder, results):
    path = folder / "sizes.png"
    path.unlink(missing_ok=True)
    plot_recall_by_size(path, results)
    return read_rgb(path)


def test_another_curve_is_another_picture(tmp_path):
    first = recall_picture(tmp_path, RESULTS)
    other = recall_picture(tmp_path, with_curve(replace(CURVE, recall=[0.2, 0.6, 0.75])))
    beyond = recall_picture(tmp_path, with_curve(replace(CURVE, recall=[0.2, 0.5, 0.9])))
    assert first.std() > 0
    assert first.shape == other.shape
    assert (first != other).any()
    assert (first == beyond).all()  # 0.8 false alarms a photo are beyond the picture's limit of 0.5


def test_other_sizes_are_another_picture(tmp_path):
    first = sizes_picture(tmp_path, RESULTS)
    for changed in (sizes(16, None, 0.9, 0.75), sizes(16, None, 1.0, 0.8)):
        other = sizes_picture(tmp_path, replace(RESULTS, sizes=[RESULTS.sizes[0], changed]))
        assert first.shape == other.shape
        assert (first != other).any()


@pytest.fixture
def drawn(monkeypatch):
    """What the plots are asked to draw."""
    asked = {}
    monkeypatch.setattr(report, "plot_curves", lambda path, x, curves, **_: asked.update(curves, x=x))
    monkeypatch.setattr(
        report, "plot_bars", lambda path, bars, *, marks, **_: asked.update(bars=bars, marks=marks)
    )
    return asked


def test_recall_is_that_of_the_lowest_threshold_with_so_few_alarms(drawn):
    silent = replace(RESULTS, curves={})
    plot_recall_over_alarms("unused.png", {"a": RESULTS, "none": silent}, limit=1.0)
    line = dict(zip(drawn.pop("x").round(3), drawn.pop("a, IoU 0.4"), strict=True))
    assert drawn == {}
    at = [0.0, 0.098, 0.102, 0.198, 0.202, 0.798, 0.802, 1.0]
    assert [line[x] for x in at] == pytest.approx([0, 0, 20, 20, 50, 50, 75, 75])
    assert np.isclose(max(line), 1.0)


def test_bars_are_of_the_first_overlap_and_marks_of_the_last(drawn):
    plot_recall_by_size("unused.png", RESULTS)
    assert list(drawn["bars"].values()) == [50, 100]
    assert list(drawn["marks"].values()) == [25, 75]
    assert list(drawn["bars"]) == list(drawn["marks"]) == ["8 to 16 pixels (n = 4)", "from 16 pixels (n = 4)"]
