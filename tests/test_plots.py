"""Plots are written whole, of the asked form, and a missing matplotlib is said plainly."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from efficientfan.errors import MissingDependencyError
from efficientfan.imaging import read_rgb
from efficientfan.plots import Panel, plot_curves, plot_landmark_values, plot_panels


def test_curves_are_drawn(tmp_path):
    def draw(name, curves):
        plot_curves(tmp_path / name, [0, 1, 2], curves, x_label="x", y_label="y")
        return read_rgb(tmp_path / name)

    flat, rising = draw("flat.png", {"a": [1, 1, 1]}), draw("rising.png", {"a": [0, 1, 2]})
    assert flat.shape == rising.shape == (660, 960, 3)
    assert (flat != rising).any()


def test_panels_stand_beside_each_other(tmp_path):
    """Two panels twice as wide as one; a change of the right one leaves the left half as it was."""
    flat, rising = (Panel([0, 1], {"a": values}, x_label="x", y_label="y") for values in ([1, 1], [0, 1]))
    for name, panels in {"one": [flat], "same": [flat, flat], "other": [flat, rising]}.items():
        plot_panels(tmp_path / f"{name}.png", panels)
    one, same, other = (read_rgb(tmp_path / f"{name}.png") for name in ("one", "same", "other"))
    assert same.shape[1] == 2 * one.shape[1]
    half = one.shape[1]
    np.testing.assert_array_equal(same[:, : half - 60], other[:, : half - 60])
    assert (same[:, half:] != other[:, half:]).any()


def test_unlabeled_landmarks_are_left_out(tmp_path):
    points = np.array([[0.0, 0.0], [1.0, 0.0], [np.nan, np.nan], [0.5, 1.0]])
    plot_landmark_values(
        tmp_path / "a.png", points, [1.0, 2.0, 3.0, np.nan], [(0, 1), (1, 2)], value_label="error"
    )
    picture = read_rgb(tmp_path / "a.png")
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 50
    plot_landmark_values(tmp_path / "none.png", points, [np.nan] * 4, [], value_label="error")


def test_missing_matplotlib_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingDependencyError, match=r"efficientfan\[plots\]"):
        plot_curves(tmp_path / "a.png", [0], {}, x_label="x", y_label="y")
    assert list(tmp_path.iterdir()) == []
