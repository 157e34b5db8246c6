"""Recipe files, with bases beside them, and --set values."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import yaml

from efficientfan.recipes.load import load_recipe, recipe_from_dict
from fuzzing.mutations import damaged, odd_tree

__all__ = ["Overrides", "Recipes"]

TINY = Path(__file__).parents[1] / "tiny.yaml"


class Recipes:
    """A recipe in a folder where `a`, `b` and itself, `recipe.yaml`, may be its bases; some inherit much."""

    seconds, megabytes = 5.0, 64.0

    def __init__(self, folder: Path) -> None:
        self._path = folder / "recipe.yaml"
        self._trees: list[dict[str, Any]] = [
            {"base": ["a.yaml", "b.yaml"], "data": {"root": "."}},
            {"base": "mobilefan_128", "data": {"root": "."}},
            {"base": "wflw/mobilefan_fa_fs", "train": {"epochs": 3}},
            yaml.safe_load(TINY.read_text()),
        ]
        (folder / "a.yaml").write_text(TINY.read_text())
        (folder / "b.yaml").write_text("base: a.yaml\ntrain: {epochs: 9}\n")
        self._files = [yaml.safe_dump(tree, sort_keys=False).encode() for tree in self._trees]
        for content in self._files:
            self.run(content)

    def draw(self, chance: Random) -> bytes:
        if chance.random() < 0.6:
            tree = odd_tree(chance.choice(self._trees), chance)
            return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True).encode(errors="surrogatepass")
        return damaged(chance.choice(self._files), chance.choice(self._files), chance)

    def run(self, content: bytes) -> None:
        self._path.write_bytes(content)
        recipe = load_recipe(self._path)
        # What was accepted can be written and read again, as the run's folder does.
        assert recipe_from_dict(recipe.model_dump(mode="json", by_alias=True)) == recipe


class Overrides:
    """The text of --set options, one a line."""

    seconds, megabytes = 5.0, 64.0
    lines = b"train.epochs=3\ndata.train.0.dataset=wflw\naugmentation={rotation: 10}\nmodel.input_size=64\n"

    def __init__(self, folder: Path) -> None:
        self.run(self.lines)

    def draw(self, chance: Random) -> bytes:
        return damaged(self.lines, self.lines, chance)

    def run(self, content: bytes) -> None:
        load_recipe(TINY, content.decode("utf-8", "surrogateescape").strip("\n").split("\n"))
