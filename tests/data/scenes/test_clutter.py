"""Things that are no faces are drawn beside the faces of a training picture, and nowhere else."""

import numpy as np

from efficientfan.data.scenes.clutter import strew_clutter


def with_clutter(boxes, side=120):
    """Pictures of a hundred seeds: (100, side, side) bool, where something was drawn."""
    drawn = []
    for seed in range(100):
        tile = np.full((side, side, 3), 77, np.uint8)
        strew_clutter(tile, np.array(boxes, dtype=float).reshape(-1, 4), np.random.default_rng(seed))
        drawn.append((tile != 77).any(axis=2))
    return np.stack(drawn)


def test_faces_stay_free_and_the_rest_is_used():
    drawn = with_clutter([[20.0, 30.0, 70.0, 80.0], [-30.0, 90.0, 10.0, 140.0]])
    assert not drawn[:, 31:80, 21:70].any()
    assert not drawn[:, 91:, :10].any()
    assert drawn.any(axis=(1, 2)).mean() > 0.7
    assert drawn.any(axis=0)[:, 75:].mean() > 0.7


def test_small_tiles_and_the_same_seed():
    assert np.array_equal(with_clutter([]), with_clutter([]))
    assert with_clutter([], side=24).any()
    with_clutter([], side=5)
