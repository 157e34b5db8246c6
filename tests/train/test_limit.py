"""`data.limit`: a first try on the first faces of each source."""

from __future__ import annotations

from pathlib import Path

import pytest
from drawn_photos import write_drawn_photos
from tiny_training import RECIPE, tiny_recipe

from efficientfan.errors import InputError
from efficientfan.recipes import load_recipe
from efficientfan.train.detection import build_scenes
from efficientfan.train.landmarks import build_faces


def test_each_source_gives_its_first_faces(drawn_300w: Path) -> None:
    sources = "data.train=[{dataset: 300w, repeat: 2}, {dataset: 300w}]"
    whole = build_faces(tiny_recipe(drawn_300w, sources))
    first = build_faces(tiny_recipe(drawn_300w, sources, "data.limit=10"))
    assert len(first.validation) == 1  # a tenth of the first source's ten
    assert len(first.train) == len(first.weights) == 2 * 9 + 10
    assert [face.name for face in first.train[-10:]] == [face.name for face in whole.train[-30:-20]]
    assert len(build_faces(tiny_recipe(drawn_300w, sources, "data.limit=1000")).train) == len(whole.train)


def test_a_validation_split_of_its_own_is_limited_too(drawn_300w: Path) -> None:
    settings = ["data.holdout=null", "data.validation={dataset: 300w}", "data.limit=4"]
    faces = build_faces(tiny_recipe(drawn_300w, *settings))
    assert (len(faces.train), len(faces.validation)) == (4, 4)


def test_one_face_cannot_be_split(drawn_300w: Path) -> None:
    with pytest.raises(InputError, match=r"data\.limit: Input should be greater than or equal to 2"):
        tiny_recipe(drawn_300w, "data.limit=1")


def test_photos_of_a_detector_too(tmp_path: Path) -> None:
    write_drawn_photos(tmp_path, 16)
    settings = [f"data.root={tmp_path}", "data.limit=8"]
    train, validation = build_scenes(load_recipe(RECIPE.with_name("tiny_detector.yaml"), settings))
    assert (len(train), len(validation)) == (6, 2)
