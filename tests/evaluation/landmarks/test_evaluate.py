"""Evaluation end to end on drawn faces: a known mistake gives the known number."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from efficientfan.errors import InputError
from efficientfan.evaluation import (
    EvaluationSetup,
    Results,
    dataset_digest,
    load_test_set,
    mean_shape_points,
    predict_test_set,
    results_table,
    score_points,
)
from efficientfan.evaluation.landmarks.reliability import WorstTenth
from efficientfan.evaluation.landmarks.test_set import annotation_boxes, jitter_boxes
from efficientfan.geometry import BoxCorrection
from efficientfan.structures import Annotation

SPAN = 39.0
"""Distance of the drawn faces' outer eye corners, in pixels."""


def evaluate(model, test_set, setup=None, **options):
    setup = setup or EvaluationSetup()
    predicted = predict_test_set(model, test_set, setup, batch_size=4)
    return score_points(
        predicted.points,
        test_set,
        label="run",
        subject={},
        settings=setup.to_dict(),
        scores=predicted.scores,
        **options,
    )


def scales(truth):
    """Crop pixels per image pixel of each face: 64 pixels hold 1.25 longer sides."""
    return 64 / (np.ptp(truth, axis=1).max(axis=1) * 1.25)


def test_a_perfect_model_has_no_error(faces, oracle):
    results = evaluate(oracle(), load_test_set("300w", faces[0], "common"))
    score = results.groups["common"]
    assert (score.faces, score.missed) == (6, 0)
    assert score.metrics["nme_interocular"].value == pytest.approx(0, abs=1e-9)
    assert score.metrics["fr@0.10"].value == 0
    assert score.metrics["auc@0.10"].value == pytest.approx(1, abs=1e-9)


def test_a_known_offset_gives_the_known_error(faces, oracle):
    root, truth = faces
    results = evaluate(oracle(offset=(3, 4)), load_test_set("300w", root, "common"))
    expected = 5 / scales(truth) / SPAN
    np.testing.assert_allclose(results.errors, expected, atol=1e-6)
    estimate = results.groups["common"].metrics["nme_interocular"]
    assert estimate.value == pytest.approx(expected.mean(), abs=1e-9)
    assert estimate.low <= estimate.value <= estimate.high
    np.testing.assert_allclose(results.landmarks, expected.mean(), atol=1e-6)
    assert set(results.regions) >= {"jaw", "mouth"}


def test_crops_go_through_in_batches(faces, oracle):
    model = oracle()
    evaluate(model, load_test_set("300w", faces[0], "common"))
    assert model.calls == [4, 2]


def test_flip_test_cancels_a_sideways_mistake_and_keeps_the_other(faces, oracle):
    root, truth = faces
    results = evaluate(
        oracle(offset=(3, 2)), load_test_set("300w", root, "common"), EvaluationSetup(flip_test=True)
    )
    np.testing.assert_allclose(results.errors, 2 / scales(truth) / SPAN, atol=1e-6)


def test_jitter_moves_the_crop(faces, oracle):
    """The oracle assumes unshaken boxes, so its answers move with the jitter; a seed repeats it."""
    test_set = load_test_set("300w", faces[0], "common")
    first, again, other = (
        evaluate(oracle(), test_set, EvaluationSetup(box_jitter=0.1, seed=seed)).errors for seed in (1, 1, 2)
    )
    assert (first > 1e-3).all()
    np.testing.assert_array_equal(first, again)
    assert (first != other).all()


def test_jitter_stays_within_its_fraction():
    boxes = np.tile([10.0, 20.0, 110.0, 70.0], (500, 1))
    shaken = jitter_boxes(boxes, 0.2, seed=0)
    size, center = shaken[:, 2:] - shaken[:, :2], (shaken[:, 2:] + shaken[:, :2]) / 2
    ratio = size / [100, 50]
    np.testing.assert_allclose(ratio[:, 0], ratio[:, 1])
    assert 0.8 <= ratio.min() < 0.81
    assert 1.19 < ratio.max() <= 1.2
    shift = (center - [60, 45]) / [100, 50]
    assert np.abs(shift).max() <= 0.2
    assert np.abs(shift).max(axis=0).min() > 0.19
    np.testing.assert_array_equal(jitter_boxes(boxes[:3], 0.2, seed=0), shaken[:3])
    np.testing.assert_array_equal(jitter_boxes(boxes, 0.0, seed=0), boxes)


def test_a_missed_face_is_a_failure_and_is_counted(faces, oracle):
    test_set = load_test_set("300w", faces[0], "common")
    results = evaluate(oracle(blind=[2]), test_set, EvaluationSetup(box="detector"))
    score = results.groups["common"]
    assert (score.faces, score.missed) == (6, 1)
    assert score.metrics["nme_interocular"].value == pytest.approx(0, abs=1e-6)
    assert score.metrics["fr@0.10"].value == pytest.approx(1 / 6)
    assert score.metrics["auc@0.10"].value == pytest.approx(5 / 6, abs=1e-5)
    assert results.samples["helen/testset/2.png"] is None
    assert "1" in results_table(results).splitlines()[-5].split()


def test_every_face_missed(faces, oracle):
    results = evaluate(
        oracle(blind=range(6)), load_test_set("300w", faces[0], "common"), EvaluationSetup(box="detector")
    )
    score = results.groups["common"]
    assert score.missed == 6
    assert "nme_interocular" not in score.metrics
    assert score.metrics["fr@0.08"].value == 1
    assert results.reliability is None
    assert "run on 300w common" in results_table(results)


def test_mean_shape_is_the_mean_training_face_in_the_box(faces):
    test_set = load_test_set("300w", faces[0], "common")
    train = load_test_set("300w", faces[0], "train")
    boxes = train.gt_boxes
    shape = np.mean([(p - b[:2]) / (b[2:] - b[:2]) for p, b in zip(train.truth, boxes, strict=True)], axis=0)
    expected = [b[:2] + shape * (b[2:] - b[:2]) for b in test_set.gt_boxes]
    np.testing.assert_allclose(mean_shape_points(test_set, EvaluationSetup()), expected, atol=1e-9)


def test_baseline_stands_beside(faces, oracle):
    test_set = load_test_set("300w", faces[0], "common")
    results = evaluate(oracle(), test_set, baseline=mean_shape_points(test_set, EvaluationSetup()))
    assert results.baseline["common"].metrics["nme_interocular"].value > 0.1
    assert "common, mean shape" in results_table(results)


def test_subsets_and_attributes_become_groups(faces, oracle):
    root, truth = faces
    test_set = load_test_set("300w", root, "common", by="folder")
    results = evaluate(oracle(offset=(3, 4)), test_set)
    assert list(results.groups) == ["folder helen/testset", "folder lfpw/testset", "common"]
    expected = 5 / scales(truth) / SPAN
    value = results.groups["folder lfpw/testset"].metrics["nme_interocular"].value
    assert value == pytest.approx(expected[4:].mean(), abs=1e-9)
    with pytest.raises(InputError, match="attribute 'mood'"):
        load_test_set("300w", root, "common", by="mood")


def test_an_incomplete_split_says_so(faces, oracle):
    results = evaluate(oracle(), load_test_set("300w", faces[0], "common"))
    assert "NOT the complete split: 6 of 554 faces" in results_table(results)


def test_occluded_share_and_errors(faces):
    root, truth = faces
    test_set = load_test_set("300w", root, "common")
    for annotation in test_set.annotations:
        annotation.visibility[:17] = 1
    points = truth.copy()
    points[:, :17] += [SPAN * 0.2, 0]
    points[:, 17:] += [SPAN * 0.1, 0]
    results = score_points(points, test_set, label="x", subject={}, settings={})
    assert results.occlusion == {"share": 0.25, "nme_visible": 0.1, "nme_occluded": 0.2}
    assert "occluded landmarks: 25.0 %" in results_table(results)


def test_normalizers_and_thresholds_are_named(faces, oracle):
    root, truth = faces
    results = evaluate(
        oracle(offset=(3, 4)),
        load_test_set("300w", root, "common"),
        normalizers=["box", "diagonal"],
        thresholds=[0.05, 0.125],
    )
    metrics = results.groups["common"].metrics
    assert list(metrics) == ["nme_box", "nme_diagonal", "fr@0.05", "fr@0.125", "auc@0.05", "auc@0.125"]
    sides = np.ptp(truth, axis=1)
    expected = 5 / scales(truth) / np.sqrt(sides.prod(axis=1))
    assert metrics["nme_box"].value == pytest.approx(expected.mean(), abs=1e-9)
    np.testing.assert_allclose(results.errors, expected, atol=1e-6)


def test_results_survive_the_file(faces, oracle, tmp_path):
    results = evaluate(
        oracle(blind=[0]), load_test_set("300w", faces[0], "common"), EvaluationSetup(box="detector")
    )
    results.save(tmp_path / "r.json")
    assert Results.load(tmp_path / "r.json") == results


def test_results_with_former_keys_still_load(faces, oracle, tmp_path):
    results = evaluate(oracle(), load_test_set("300w", faces[0], "common"))
    results.save(tmp_path / "r.json")
    table = json.loads((tmp_path / "r.json").read_text())
    for key in ("normalizer", "normalizer_box"):
        table["settings"][key.replace("z", "s")] = table["settings"].pop(key)
    (tmp_path / "r.json").write_text(json.dumps(table))
    assert Results.load(tmp_path / "r.json") == results


def test_results_without_reliability_still_load(faces, oracle, tmp_path):
    evaluate(oracle(), load_test_set("300w", faces[0], "common")).save(tmp_path / "r.json")
    table = json.loads((tmp_path / "r.json").read_text())
    del table["reliability"]
    (tmp_path / "r.json").write_text(json.dumps(table))
    assert Results.load(tmp_path / "r.json").reliability is None


@pytest.mark.parametrize("content", ["[]", "{}", '{"format": "efficientfan-evaluation-1"}', "nonsense"])
def test_a_foreign_results_file_is_refused(tmp_path, content):
    (tmp_path / "r.json").write_text(content)
    with pytest.raises(InputError, match=r"r\.json"):
        Results.load(tmp_path / "r.json")


@pytest.mark.parametrize(
    "path",
    [
        ("groups", "common", "faces"),
        ("dataset", "digest"),
        ("settings", "normalizer"),
        ("label",),
        ("reliability", "bins"),
    ],
)
def test_damaged_results_are_refused(faces, oracle, tmp_path, path):
    evaluate(oracle(), load_test_set("300w", faces[0], "common")).save(tmp_path / "r.json")
    table = json.loads((tmp_path / "r.json").read_text())
    *parents, last = path
    part = table
    for key in parents:
        part = part[key]
    del part[last]
    (tmp_path / "r.json").write_text(json.dumps(table))
    with pytest.raises(InputError, match="damaged"):
        Results.load(tmp_path / "r.json")


@pytest.mark.parametrize("box", ["gt", "detector"])
def test_scores_come_from_crops_and_from_the_detector(faces, oracle, box):
    """Each photo has a score of its own, the last one the lowest; the detector misses photo 1."""
    scores = np.linspace(0.9, 0.1, 6)
    blind = [1] if box == "detector" else []
    model = oracle(offset=(3, 4), scores=scores[:, None].repeat(68, axis=1), blind=blind)
    test_set = load_test_set("300w", faces[0], "common")
    found = evaluate(model, test_set, EvaluationSetup(box=box), thresholds=[0.01]).reliability
    assert found.worst_tenth == WorstTenth(faces=1, failures=6 - len(blind), caught=1.0)
    assert (found.threshold, found.faces) == (0.01, 6 - len(blind))
    expected = np.delete(scores, blind)[::-1]
    assert [each.score for each in found.bins] == pytest.approx(expected, abs=1e-6)


def test_flip_test_averages_the_scores_of_the_same_landmark(faces, oracle):
    scores = np.tile(np.linspace(0, 1, 68), (6, 1))
    test_set = load_test_set("300w", faces[0], "common")
    predicted = predict_test_set(oracle(scores=scores), test_set, EvaluationSetup(flip_test=True))
    np.testing.assert_allclose(predicted.scores, 0.75 * scores, atol=1e-6)


def test_digest_tells_names_and_points_apart(faces):
    annotations = load_test_set("300w", faces[0], "common").annotations
    digest = dataset_digest(annotations)
    assert dataset_digest(annotations[::-1]) == digest
    moved = annotations[0].points.copy()
    moved[0, 0] += 0.01
    changed = Annotation(annotations[0].image, moved, annotations[0].visibility, name=annotations[0].name)
    renamed = Annotation(annotations[0].image, annotations[0].points, annotations[0].visibility, name="new")
    assert (
        len(
            {digest, dataset_digest([changed, *annotations[1:]]), dataset_digest([renamed, *annotations[1:]])}
        )
        == 3
    )


def test_boxes_of_the_truth_are_those_that_the_model_was_trained_in(faces, oracle):
    """Half as large, in a crop of the same size: the oracle, who answers for whole boxes, is wrong by that."""
    test_set = load_test_set("300w", faces[0], "common")
    model = oracle()
    model.spec = dataclasses.replace(model.spec, crop_box=BoxCorrection((0.0, 0.0), (0.5, 0.5)))
    found = predict_test_set(model, test_set, EvaluationSetup())
    boxes = test_set.gt_boxes
    centers = ((boxes[:, :2] + boxes[:, 2:]) / 2)[:, None]
    np.testing.assert_allclose(found.points, centers + (test_set.truth - centers) / 2, atol=1e-3)


def test_misuse_is_refused(faces, oracle):
    test_set = load_test_set("300w", faces[0], "common")
    with pytest.raises(InputError, match="--box is one of"):
        EvaluationSetup(box="tight")
    with pytest.raises(InputError, match="need given boxes"):
        EvaluationSetup(box="detector", flip_test=True)
    with pytest.raises(InputError, match="supplies no box"):
        predict_test_set(oracle(), test_set, EvaluationSetup(box="supplied"))
    with pytest.raises(InputError, match="jitter"):
        predict_test_set(oracle(), test_set, EvaluationSetup(box_jitter=1.5))
    with pytest.raises(InputError, match="batch size"):
        predict_test_set(oracle(), test_set, EvaluationSetup(), batch_size=0)
    with pytest.raises(InputError, match="--limit"):
        test_set.first(0)


def test_a_face_without_points_is_named(faces):
    annotation = load_test_set("300w", faces[0], "common").annotations[0]
    empty = Annotation(annotation.image, np.full((68, 2), np.nan), np.zeros(68), name="empty")
    with pytest.raises(InputError, match="empty: a box needs at least two"):
        annotation_boxes([empty], "gt")
