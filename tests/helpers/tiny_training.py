"""Trains a tiny network on drawn faces: `python tiny_training.py DATA OUT [--resume] [KEY=VALUE ...]`."""

from __future__ import annotations

import sys
from pathlib import Path

from efficientfan.errors import EfficientFanError
from efficientfan.recipes import Recipe
from efficientfan.recipes.load import load_recipe
from efficientfan.train import fit

RECIPE = Path(__file__).parent / "tiny.yaml"


def tiny_recipe(data: Path, *overrides: str) -> Recipe:
    """The recipe of `tiny.yaml` on a folder of `write_drawn_300w`."""
    recipe = load_recipe(RECIPE, [f"data.root={data}", *overrides])
    assert isinstance(recipe, Recipe)
    return recipe


if __name__ == "__main__":
    settings = [argument for argument in sys.argv[3:] if argument != "--resume"]
    try:
        fit(tiny_recipe(Path(sys.argv[1]), *settings), sys.argv[2], resume="--resume" in sys.argv, devices=1)
    except EfficientFanError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
