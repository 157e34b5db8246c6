"""Counting what a detector found: a stub detector answers, and every number is known beforehand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from efficientfan.data.scenes.catalog import SceneSet
from efficientfan.errors import InputError
from efficientfan.evaluation.detection.evaluate import (
    PredictorAsDetector,
    SearchedPhoto,
    score_detections,
    search_photos,
)
from efficientfan.evaluation.detection.mistakes import false_alarms, missed_faces, write_mistakes
from efficientfan.evaluation.detection.report import detection_table
from efficientfan.evaluation.detection.results import DetectionResults, scenes_digest
from efficientfan.imaging import read_rgb
from efficientfan.predict.detectors import Detections
from efficientfan.schema import get_schema
from efficientfan.structures import BoxTrust, Face, Scene

L, U, X = BoxTrust.LABELED, BoxTrust.UNCHECKED, BoxTrust.IGNORED
SMALL, LARGE, THIRD = (10, 10, 20, 20), (40, 10, 80, 50), (100, 60, 130, 90)


def scene(name, *boxes):
    return Scene(Path(name), [box for box, _ in boxes], [trust for _, trust in boxes])


@pytest.fixture
def scenes():
    """Two photos of 160 x 120 with four faces to be found, and an empty one."""
    listed = [
        scene("a.png", (SMALL, L), (LARGE, L), (THIRD, U)),
        scene("b.png", (SMALL, X), (LARGE, L), (THIRD, L)),
        scene("c.png"),
    ]
    shade = {"a.png": 50, "b.png": 100, "c.png": 150}
    return SceneSet(
        "boxes",
        "all",
        listed,
        ["many", "many", "none"],
        lambda each: np.full((120, 160, 3), shade[each.name], np.uint8),
    )


ANSWERS = {
    # found; found at IoU 0.4 only (0.45); on an unchecked box; beside everything
    50: [(SMALL, 0.9), ((40, 10, 58, 50), 0.8), (THIRD, 0.7), ((140, 5, 150, 15), 0.3)],
    # found twice; on an ignored box
    100: [(LARGE, 0.6), (LARGE, 0.5), (SMALL, 0.95)],
    150: [((0, 0, 30, 30), 0.85)],
}


class Stub:
    """Knows by a photo's shade what it is to find."""

    name = "stub"

    def detect(self, image):
        rows = ANSWERS[int(image[0, 0, 0])]
        return Detections([box for box, _ in rows], [score for _, score in rows])


def measured(scenes, overlaps=(0.4, 0.5)):
    searched = search_photos(Stub(), scenes)
    return searched, score_detections(
        searched, scenes, label="stub", subject={}, settings={}, overlaps=overlaps
    )


def test_faces_and_false_alarms_are_counted(scenes):
    searched, results = measured(scenes)
    assert [each.size for each in searched] == [(160, 120)] * 3
    whole = results.groups["all"]
    assert (whole.photos, whole.faces) == (3, 4)
    loose, strict = whole.rates["0.4"], whole.rates["0.5"]
    assert (loose.found, loose.alarms, loose.strays) == (3, 3, 2)
    assert (strict.found, strict.alarms, strict.strays) == (2, 4, 2)
    assert loose.recall.value == 0.75
    assert loose.recall.low < 0.75 < loose.recall.high
    assert loose.alarms_per_photo.value == 1
    # 0.9 found, 0.85 alarm, 0.8 found, 0.6 found, 0.5 alarm, 0.3 alarm
    assert loose.average_precision == pytest.approx((1 + 3 / 4 + 3 / 4) / 4)
    assert results.samples["a.png"] == {"faces": 2, "found": 2, "alarms": 1}


def test_groups_and_sizes_have_rows(scenes):
    results = measured(scenes)[1]
    assert list(results.groups) == ["many", "none", "all"]
    assert results.groups["none"].rates["0.4"].recall is None
    assert results.groups["none"].rates["0.4"].average_precision is None
    rows = {(row.unit, row.low): (row.high, row.faces, row.recall["0.5"].value) for row in results.sizes}
    assert rows == {
        ("pixels", 8): (16, 1, 1.0),
        ("pixels", 16): (32, 1, 0.0),
        ("pixels", 32): (64, 2, 0.5),
        ("share", 1 / 16): (1 / 8, 1, 1.0),
        ("share", 1 / 8): (1 / 4, 1, 0.0),
        ("share", 1 / 4): (1 / 2, 2, 0.5),
    }


def test_thresholds_for_given_false_alarms(scenes):
    rows = {(row.overlap, row.alarms_per_photo): row.point for row in measured(scenes)[1].allowances}
    assert rows["0.4", 0.2].min_score == pytest.approx(
        0.9
    )  # 0.95 lies on an ignored box and counts for nothing
    assert rows["0.4", 0.2].recall == 0.25
    assert rows["0.4", 0.01].alarms_per_photo == 0


def test_results_come_back_from_their_file(scenes, tmp_path):
    results = measured(scenes)[1]
    results.save(tmp_path / "results.json")
    assert DetectionResults.load(tmp_path / "results.json") == results


@pytest.mark.parametrize("damage", [{"format": "other"}, {"groups": {"all": {}}}, {"sizes": 3}])
def test_a_damaged_file_is_told(scenes, tmp_path, damage):
    path = tmp_path / "results.json"
    measured(scenes)[1].save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | damage))
    with pytest.raises(InputError, match=r"results\.json: "):
        DetectionResults.load(path)


def test_the_digest_is_of_names_boxes_and_trust(scenes):
    first, second, third = scenes.scenes
    assert scenes_digest([third, first, second]) == scenes_digest(scenes.scenes)
    moved = scene("a.png", (SMALL, L), (LARGE, L), ((100, 60, 130, 90.01), U))
    trusted = scene("a.png", (SMALL, L), (LARGE, L), (THIRD, L))
    digests = {scenes_digest([each, second, third]) for each in (first, moved, trusted)}
    assert len(digests) == 3


def test_mistakes_come_worst_first(scenes):
    searched, _ = measured(scenes)
    missed = missed_faces(searched, scenes, 0.5)
    assert [(each.index, tuple(each.box)) for each in missed] == [(0, LARGE), (1, THIRD)]
    assert missed[0].overlap == pytest.approx(18 / 40)
    alarms = false_alarms(searched, scenes, 0.4)
    assert [each.index for each in alarms] == [2, 1, 0]
    assert [each.score for each in alarms] == pytest.approx([0.85, 0.5, 0.3])
    assert alarms[1].overlap == 1  # a face found twice


def test_mistakes_are_drawn_and_named(scenes, tmp_path):
    searched, _ = measured(scenes)
    write_mistakes(tmp_path, searched, scenes, overlap=0.5, count=1)
    table = json.loads((tmp_path / "mistakes.json").read_text())
    assert (table["missed_in_all"], table["alarms_in_all"]) == (2, 4)
    assert [row["scene"] for row in table["missed"]] == ["a.png"]
    assert [(row["scene"], row["group"], row["score"]) for row in table["alarms"]] == [
        ("c.png", "none", 0.85)
    ]
    sheet = read_rgb(tmp_path / "missed.png")
    green = (np.abs(sheet.astype(int) - (120, 230, 120)).max(axis=2) < 30).sum()
    orange = (np.abs(sheet.astype(int) - (255, 120, 60)).max(axis=2) < 30).sum()
    assert green > 100
    assert orange > 50


def test_a_sheet_of_a_former_run_goes_when_nothing_is_wrong(scenes, tmp_path):
    write_mistakes(tmp_path, search_photos(Stub(), scenes), scenes, overlap=0.5)
    perfect = [
        SearchedPhoto(Detections(each.boxes, np.ones(len(each.boxes))), (160, 120)) for each in scenes.scenes
    ]
    write_mistakes(tmp_path, perfect, scenes, overlap=0.5)
    assert [path.name for path in tmp_path.iterdir()] == ["mistakes.json"]


def test_the_table_says_it_all(scenes):
    text = detection_table(measured(scenes)[1])
    assert "stub on boxes all: 3 photos, 4 faces to be found; 1 unchecked and 1 ignored boxes" in text
    rows = [line.split() for line in text.splitlines()]
    assert ["all", "3", "4", "75.00", "[25.00,", "100.00]"] in [row[:6] for row in rows]
    assert ["none", "1", "0", "-", "1.000"] in [row[:5] for row in rows]
    assert any(line.startswith("1/4 to 1/2") for line in text.splitlines())
    assert ["0.2", "0.4", "0.9", "25.00", "0.0000"] in rows


def test_a_set_without_faces_is_measured_too(scenes):
    empty = SceneSet("noise", "test", scenes.scenes[2:], ["none"], scenes.photo)
    results = measured(empty)[1]
    assert list(results.groups) == ["all"]
    assert (results.sizes, results.curves, results.allowances) == ([], {}, [])
    assert "1.000 [1.000, 1.000]" in detection_table(results)


def test_a_silent_detector_finds_nothing(scenes):
    silent = [SearchedPhoto(Detections(np.zeros((0, 4)), np.zeros(0)), (160, 120))] * 3
    results = score_detections(silent, scenes, label="silent", subject={}, settings={})
    whole = results.groups["all"].rates["0.4"]
    assert (whole.recall.value, whole.average_precision, whole.alarms) == (0, 0, 0)
    assert all(row.point is None for row in results.allowances)
    assert results.curves["0.4"].scores == []
    assert "-" in detection_table(results).splitlines()[-1]


def test_through_the_predictor_count_the_boxes_of_the_landmarks():
    schema = get_schema("ibug68")
    points = np.random.default_rng(1).uniform(20, 60, (68, 2)).astype(np.float32)

    class Predictor:
        detector = Stub()
        spec = type("Spec", (), {"name": "net"})()

        def __call__(self, image, *, min_score):
            self.asked = min_score
            return [Face(np.array([0, 0, 99, 99]), points, np.full(68, 0.75), schema)]

    predictor = Predictor()
    finder = PredictorAsDetector(predictor, 0.3)
    found = finder.detect(np.zeros((9, 9, 3), np.uint8))
    assert finder.name == "stub+net"
    assert predictor.asked == 0.3
    assert found.boxes == pytest.approx(np.concatenate([points.min(axis=0), points.max(axis=0)])[None])
    assert found.scores == pytest.approx([0.75])
