"""The models of the package: what they say of the NASA portrait, and what their cards say of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from skimage.data import astronaut

import efficientfan
from efficientfan.files import sha256_of
from efficientfan.geometry import box_iou
from efficientfan.weights import aliases, find_model, list_models

ROOT = Path(__file__).parents[2]
GOLDEN = json.loads((Path(__file__).parent / "golden_astronaut.json").read_text())


@pytest.mark.parametrize("name", list_models())
def test_golden_landmarks(name: str) -> None:
    """Within a tenth of a pixel of what was exported; in int8, whose rounding processors differ in, within one."""
    predictor = efficientfan.load(name, detector="whole", threads=1)
    (face,) = predictor(astronaut(), boxes=[GOLDEN["box"]])
    tolerance = 1.0 if "quantization" in predictor.spec.provenance else 0.1
    np.testing.assert_allclose(face.points, GOLDEN["points"][name], atol=tolerance)
    assert face.score > 0.85


def test_finds_the_portrait_without_any_download() -> None:
    (face,) = efficientfan.load()(astronaut())
    found = np.concatenate([face.points.min(axis=0), face.points.max(axis=0)])
    assert box_iou(found, GOLDEN["box"])[0, 0] > 0.85
    left, right = face.named("left_eye").mean(axis=0), face.named("right_eye").mean(axis=0)
    assert left[0] > right[0]  # her left eye is on the picture's right
    np.testing.assert_allclose(face.points, GOLDEN["points"][aliases()["default"]], atol=4)


@pytest.mark.parametrize("name", list_models())
def test_card_and_file_agree(name: str) -> None:
    path = find_model(name)
    card = (ROOT / "docs" / "models" / f"{name}.md").read_text()
    assert sha256_of(path) in card
    assert path.stat().st_size < 16e6
    spec = efficientfan.load(name, detector="whole").spec
    assert spec.name == name
    assert "Research only" in spec.license
    assert 0 < spec.score_threshold < 1
    assert 0 < spec.metrics["val_nme"] < 0.1


def test_noise_holds_no_face() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    assert efficientfan.load()(noise) == []
