import numpy as np
import pytest

from efficientfan.data.scenes import covers
from efficientfan.data.scenes.covers import cover_face

BOX = np.array([40.0, 30.0, 100.0, 100.0])
FAR = np.array([200.0, 200.0])


def changed(seed, down=(0.0, 1.0)):
    picture = np.random.default_rng(9).integers(90, 160, (240, 240, 3), np.uint8)
    before = picture.copy()
    cover_face(picture, BOX, np.array(down), np.random.default_rng(seed))
    return (picture != before).any(axis=2)


def test_a_cover_hides_a_part_of_the_face_and_nothing_far_from_it():
    shares = []
    for seed in range(80):
        mask = changed(seed)
        shares.append(mask[30:100, 40:100].mean())
        assert not mask[200:, 200:].any()
    assert min(shares) > 0.005
    assert np.median(shares) < 0.6


@pytest.mark.parametrize(("name", "side"), [("lower_face", 1), ("cap", -1)])
@pytest.mark.parametrize("down", [(0.0, 1.0), (0.0, -1.0), (1.0, 0.0)])
def test_masks_lie_below_and_caps_above_whatever_way_the_face_is_turned(monkeypatch, name, side, down):
    monkeypatch.setattr(covers, "_OUTLINES", {name: covers._OUTLINES[name]})
    monkeypatch.setattr(covers, "_patch", lambda *_: None)
    center = (BOX[:2] + BOX[2:]) / 2
    seen = 0
    for seed in range(20):
        rows, columns = np.nonzero(changed(seed, down))
        if not len(rows):  # the patch that was left out
            continue
        seen += 1
        along = (np.column_stack([columns, rows]) - center) @ np.array(down)
        assert side * along.mean() > 10
    assert seen > 5
