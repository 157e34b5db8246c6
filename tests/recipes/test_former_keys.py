"""Recipes and run folders with keys that were spelled otherwise are still read."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from efficientfan.errors import InputError
from efficientfan.recipes import load_recipe
from efficientfan.recipes.former_keys import FORMER_KEYS
from efficientfan.recipes.load import recipe_from_dict

FORMER = """
data: {train: [{dataset: 300w}]}
augmentation: {colour: 0.25, grey: 0.75}
train: {optimiser: adamw}
"""


def test_a_former_recipe_is_read(tmp_path: Path) -> None:
    (tmp_path / "former.yaml").write_text(FORMER)
    recipe = load_recipe(tmp_path / "former.yaml")
    assert (recipe.augmentation.color, recipe.augmentation.gray) == (0.25, 0.75)
    assert recipe.train.optimizer == "adamw"
    written = recipe.model_dump(mode="json", by_alias=True)
    assert not {key.rpartition(".")[2] for key in FORMER_KEYS} & {*written["augmentation"], *written["train"]}


def test_a_recipe_stored_in_a_spec_is_read() -> None:
    assert recipe_from_dict({"name": "stored", **yaml.safe_load(FORMER)}).train.optimizer == "adamw"


def test_either_spelling_replaces_the_other(tmp_path: Path) -> None:
    (tmp_path / "former.yaml").write_text(FORMER)
    (tmp_path / "heir.yaml").write_text(
        "base: former.yaml\ntrain: {optimizer: adam}\naugmentation: {grey: 0}\n"
    )
    heir = load_recipe(tmp_path / "heir.yaml", ["augmentation.colour=1"])
    assert (heir.train.optimizer, heir.augmentation.gray, heir.augmentation.color) == ("adam", 0, 1)
    section = load_recipe(tmp_path / "heir.yaml", ["train={optimiser: adamw}"])
    assert section.train.optimizer == "adamw"


def test_the_weight_of_a_detectors_center() -> None:
    for key in ("center", "centre"):
        assert load_recipe("facefinder", [f"objective.{key}=0.5"]).objective.center == 0.5


def test_both_spellings_at_once_are_refused(tmp_path: Path) -> None:
    both = yaml.safe_load(FORMER)
    both["train"]["optimizer"] = "adam"
    (tmp_path / "both.yaml").write_text(yaml.safe_dump(both))
    with pytest.raises(InputError, match=r"both\.yaml: says both train\.optimiser and train\.optimizer"):
        load_recipe(tmp_path / "both.yaml")
