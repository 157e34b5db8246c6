"""`RunFolder`: what a run leaves, and whether another may use the folder."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from efficientfan.errors import InputError
from efficientfan.files import sole_use, write_text
from efficientfan.recipes.load import AnyRecipe, load_recipe

__all__ = ["RunFolder"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunFolder:
    """The files of one run."""

    path: Path

    @property
    def recipe(self) -> Path:
        """The recipe with every default written out."""
        return self.path / "recipe.yaml"

    @property
    def last(self) -> Path:
        """Checkpoint to go on from."""
        return self.path / "checkpoints" / "last.ckpt"

    @property
    def model(self) -> Path:
        """The trained weights and their spec; it is there if and only if the run has come to its end."""
        return self.path / "model.safetensors"

    @property
    def logs(self) -> Path:
        """Folder of the CSV and TensorBoard logs."""
        return self.path / "logs"

    @property
    def sheets(self) -> Path:
        """Folder of the validation pictures."""
        return self.path / "validation"

    def check_place(self, *, resume: bool) -> None:
        """Check that a run may start here, or that there is one to go on with.

        Raises:
            InputError: the folder holds a run; or, to resume, none.
        """
        if not resume and self.last.exists():
            raise InputError(
                f"{self.path}: holds a run already; add --resume to go on, or choose another --out"
            )
        if resume and not (self.last.is_file() and self.recipe.is_file()):
            raise InputError(f"{self.path}: holds no checkpoint to resume from; start without --resume")

    def check(self, recipe: AnyRecipe, *, resume: bool) -> bool:
        """Check that a run may start here, or go on: with the same recipe, whose `train.epochs` may have grown.

        Returns:
            Whether the run that is resumed becomes longer than it was meant to be.

        Raises:
            InputError: the folder holds a run; or, to resume, none, or one of another recipe.
        """
        self.check_place(resume=resume)
        if not resume:
            return False
        before = load_recipe(self.recipe)  # keys that are newer than the run have their defaults
        epochs = max(before.train.epochs, recipe.train.epochs)
        same_length = before.model_copy(update={"train": before.train.model_copy(update={"epochs": epochs})})
        former, now = _written(same_length), _written(recipe)
        if former != now:
            changes = difflib.unified_diff(
                former.splitlines(), now.splitlines(), "before", "now", lineterm="", n=0
            )
            raise InputError(
                f"{self.path}: was started with another recipe, so it cannot be resumed:\n"
                + "\n".join(changes)
            )
        if epochs > before.train.epochs:
            logger.info(
                "%s: goes on to %d epochs instead of %d; the schedule of the learning rate stretches over all of them",
                self.path,
                epochs,
                before.train.epochs,
            )
        return epochs > before.train.epochs

    @contextmanager
    def lock(self) -> Iterator[None]:
        """The folder is this process's until the block ends, or the process dies in whatever way.

        Raises:
            InputError: another process has it, or the folder cannot be written to.
        """
        with sole_use(self.path, self.path / ".lock"):
            yield

    def claim(self, recipe: AnyRecipe) -> None:
        """Write down whose folder it is. The model of a run that starts afresh or becomes longer is removed.

        Raises:
            InputError: the folder cannot be written to.
        """
        self.model.unlink(missing_ok=True)
        write_text(self.recipe, _written(recipe))


def _written(recipe: AnyRecipe) -> str:
    return yaml.safe_dump(recipe.model_dump(mode="json", by_alias=True), sort_keys=False)
