"""Which error is set beside which time."""

from __future__ import annotations

import pytest

from efficientfan.benchmark.accuracy import read_accuracies
from efficientfan.errors import InputError
from efficientfan.evaluation.landmarks.results import GroupScore, Results
from efficientfan.files import sha256_of
from efficientfan.metrics import Estimate
from efficientfan.predict.backends import open_backend
from efficientfan.weights import find_model


@pytest.fixture
def write(tmp_path):
    def write_results(nme, name="model", digest="0" * 64, split="common", label=None):
        score = GroupScore(3, 0, {"nme_interocular": Estimate(nme, nme, nme)})
        part = GroupScore(1, 0, {"nme_interocular": Estimate(9, 9, 9)})
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.json"
        Results(
            label=label or name,
            subject={"name": name, "sha256": digest},
            dataset={"name": "300w", "split": split, "faces": 3, "digest": ""},
            settings={"normalizer": "interocular", "box": "gt", "flip_test": False},
            groups={"part": part, split: score},
        ).save(path)
        return path

    return write_results


def test_models_are_known_by_their_content_and_peers_by_name(write):
    path = find_model("default")
    spec = open_backend(path).spec
    files = [
        write(0.04, digest=sha256_of(path)),
        write(0.05, name="mesh", label="MediaPipe Face Mesh"),
        write(0.06, name="mesh-raw", label="MediaPipe, raw"),
    ]
    found = read_accuracies(files)
    assert found.label == "nme_interocular, 300w common, gt box"
    assert found.of_model(path, spec) == 0.04
    assert found.of_model(files[0], spec) is None
    assert found.of_peer("mediapipe") == 0.05
    assert found.of_peer("dlib") is None


def test_without_files_a_model_speaks_for_itself():
    path = find_model("default")
    spec = open_backend(path).spec
    found = read_accuracies([])
    assert found.of_model(path, spec) == spec.metrics["val_nme"]
    assert found.label.startswith("val_nme")


def test_results_of_different_kinds(write):
    with pytest.raises(InputError, match=r"1.json: is .*challenging.*, but .*0.json is .*common"):
        read_accuracies([write(0.04), write(0.05, split="challenging")])
