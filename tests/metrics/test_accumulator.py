"""The accumulator: parts add up to the whole, names mean what they say, bad samples are named."""

import math

import numpy as np
import pytest

from efficientfan.errors import InputError
from efficientfan.metrics import MetricAccumulator, default_normalizer, interocular, nme
from efficientfan.schema import LandmarkSchema, get_schema

IBUG68 = get_schema("ibug68")
METRICS = ["nme_interocular", "nme_interpupil", "nme_box", "nme_diagonal", "fr@0.10", "auc@0.10", "missed"]
KINDS = ("interocular", "interpupil", "box", "diagonal")


@pytest.fixture
def batch():
    rng = np.random.default_rng(5)
    truth = rng.uniform(0, 200, (23, 68, 2))
    truth[:, 60:][rng.random((23, 8)) < 0.3] = np.nan
    points = truth + rng.normal(0, 9, truth.shape)
    points[[4, 17]] = np.nan
    boxes = np.array([[0, 0, 200, 200]] * 23) + rng.uniform(0, 5, (23, 4))
    return points, truth, boxes, [f"face_{i}" for i in range(23)]


def add(accumulator, batch, rows):
    points, truth, boxes, names = batch
    accumulator.add(points[rows], truth[rows], names=[names[i] for i in rows], boxes=boxes[rows])


@pytest.mark.parametrize("parts", [[23], [1, 22], [7, 9, 7]])
def test_split_and_merged_equals_whole(batch, parts):
    whole = MetricAccumulator(IBUG68, KINDS)
    add(whole, batch, list(range(23)))
    merged, start = MetricAccumulator(IBUG68, KINDS), 0
    for part in parts:
        piece = MetricAccumulator(IBUG68, KINDS)
        add(piece, batch, list(range(start, start + part)))
        merged.load_state(piece.state())
        start += part
    assert merged.names == whole.names
    assert merged.compute(METRICS) == whole.compute(METRICS)


def test_padding_of_a_distributed_sampler_counts_once(batch):
    whole, padded, extra = (MetricAccumulator(IBUG68, KINDS) for _ in range(3))
    add(whole, batch, list(range(23)))
    add(padded, batch, list(range(12)))
    add(extra, batch, [*range(12, 23), 0])
    padded.merge(extra)
    assert len(padded) == 23
    assert padded.compute(METRICS) == whole.compute(METRICS)


def test_numbers_are_those_of_the_pure_functions(batch):
    points, truth, _, _ = batch
    accumulator = MetricAccumulator(IBUG68, KINDS)
    add(accumulator, batch, list(range(23)))
    errors = nme(points, truth, interocular(truth, IBUG68))
    np.testing.assert_allclose(accumulator.errors(), errors, rtol=1e-12)
    found = errors[np.isfinite(errors)]
    values = accumulator.compute(METRICS)
    assert values["missed"] == 2 == np.isinf(errors).sum()
    assert values["nme_interocular"] == pytest.approx(found.mean(), abs=1e-12)
    assert values["fr@0.10"] == pytest.approx(np.mean(errors > 0.10), abs=1e-12)
    assert values["auc@0.10"] == pytest.approx(np.mean(np.maximum(0, 1 - errors / 0.10)), abs=1e-12)


def test_all_missed_is_infinite_not_absent(batch):
    points, truth, _, names = batch
    accumulator = MetricAccumulator(IBUG68)
    accumulator.add(np.full_like(points, np.nan), truth, names=names)
    assert accumulator.compute() == {"nme_interocular": math.inf, "fr@0.10": 1.0, "auc@0.10": 0.0}


def test_a_degenerate_normalizer_names_the_sample(batch):
    points, truth, _, names = batch
    truth[9, 45] = truth[9, 36]
    with pytest.raises(InputError, match=r"'face_9'.*interocular length is 0 pixels"):
        MetricAccumulator(IBUG68).add(points, truth, names=names)
    truth[9, 45] = np.nan
    with pytest.raises(InputError, match="'face_9'"):
        MetricAccumulator(IBUG68).add(points, truth, names=names)


def test_misuse_is_refused(batch):
    points, truth, _, names = batch
    accumulator = MetricAccumulator(IBUG68)
    with pytest.raises(InputError, match="nothing to measure"):
        accumulator.compute()
    accumulator.add(points, truth, names=names)
    with pytest.raises(InputError, match="'face_0' was added twice"):
        accumulator.add(points[:1], truth[:1], names=names[:1])
    with pytest.raises(InputError, match="unknown metric 'pck'"):
        accumulator.compute(["pck"])
    with pytest.raises(InputError, match="'box' were not gathered"):
        accumulator.compute(["nme_box"])
    with pytest.raises(InputError, match="needs the ground-truth boxes"):
        MetricAccumulator(IBUG68, ["box"]).add(points, truth, names=names)
    with pytest.raises(InputError, match="unknown normalizer 'ears'"):
        MetricAccumulator(IBUG68, ["ears"]).add(points, truth, names=names)
    with pytest.raises(InputError, match="same schema"):
        accumulator.merge(MetricAccumulator(IBUG68, ["interpupil"]))
    with pytest.raises(InputError, match="do not fit schema"):
        accumulator.add(points[:, :5], truth[:, :5], names=names)
    with pytest.raises(InputError, match="22 names for 23"):
        MetricAccumulator(IBUG68).add(points, truth, names=names[1:])


def test_a_face_without_labels_is_named(batch):
    points, truth, boxes, names = batch
    truth[3] = np.nan
    with pytest.raises(InputError, match="'face_3' has no labeled"):
        MetricAccumulator(IBUG68, ["box"]).add(points, truth, names=names, boxes=boxes)


def test_default_normalizer():
    bare = LandmarkSchema.from_dict({"name": "bare", "landmarks": ["a", "b"], "flip_pairs": []})
    assert default_normalizer(IBUG68) == "interocular"
    assert default_normalizer(bare) == "box"
