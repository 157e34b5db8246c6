"""Trains a tiny network on drawn faces: `python tiny_training.py DATA OUT [--resume] [--hold] [KEY=VALUE ...]`.

With --hold it waits, after its first checkpoint, until there is a file OUT/go.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from efficientfan.errors import EfficientFanError, Interrupted
from efficientfan.recipes import Recipe
from efficientfan.recipes.load import load_recipe
from efficientfan.train import fit
from efficientfan.train.callbacks import KeepLast

RECIPE = Path(__file__).parent / "tiny.yaml"


def tiny_recipe(data: Path, *overrides: str) -> Recipe:
    """The recipe of `tiny.yaml` on a folder of `write_drawn_300w`."""
    recipe = load_recipe(RECIPE, [f"data.root={data}", *overrides])
    assert isinstance(recipe, Recipe)
    return recipe


def hold(go: Path) -> None:
    """Have training wait for the file `go` after each checkpoint."""
    save = KeepLast.save

    def save_and_wait(self: KeepLast, trainer: Any) -> None:
        save(self, trainer)
        while not go.exists():
            time.sleep(0.01)

    KeepLast.save = save_and_wait  # type: ignore[method-assign]


def main() -> None:
    """As the command line says."""
    settings = [argument for argument in sys.argv[3:] if argument not in ("--resume", "--hold")]
    if "--hold" in sys.argv:
        hold(Path(sys.argv[2]) / "go")
    try:
        fit(tiny_recipe(Path(sys.argv[1]), *settings), sys.argv[2], resume="--resume" in sys.argv, devices=1)
    except Interrupted as stop:
        print(stop, file=sys.stderr)
        sys.exit(128 + stop.number)
    except EfficientFanError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
