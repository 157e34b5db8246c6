"""The held-out tenth of aflw68."""

from __future__ import annotations

from pathlib import Path

import pytest
from drawn_scenes import make_aflw68

from efficientfan.data.catalog import load_dataset
from efficientfan.data.readers.aflw68 import is_held_out, read_aflw68
from efficientfan.errors import InputError
from efficientfan.schema import get_schema


def test_fit_and_heldout_divide_train(tmp_path: Path) -> None:
    root = make_aflw68(tmp_path, 60)
    names = {
        split: [face.name for face in load_dataset("aflw68", root, split, warn=False)]
        for split in ("train", "fit", "heldout")
    }
    assert sorted(names["fit"] + names["heldout"]) == sorted(names["train"])
    assert not set(names["fit"]) & set(names["heldout"])
    assert names["heldout"]
    assert all(is_held_out(name) for name in names["heldout"])


def test_about_a_tenth_is_held_out_and_always_the_same() -> None:
    held = [number for number in range(10_000) if is_held_out(f"image{number:05}.jpg")]
    assert 950 < len(held) < 1050
    assert held[:3] == [6, 16, 35]


def test_turn_joins_left_and_right(tmp_path: Path) -> None:
    faces = load_dataset("aflw68", make_aflw68(tmp_path), "train", warn=False)
    turns = {(face.attributes["pose"], face.attributes["turn"]) for face in faces}
    assert turns == {("frontal", "frontal"), ("lefthalf", "half_profile"), ("right", "profile")}


def test_an_unknown_split_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not 'test'"):
        read_aflw68(make_aflw68(tmp_path), "test", get_schema("ibug68"))
