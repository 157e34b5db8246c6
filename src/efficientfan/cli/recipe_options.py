"""The recipe and its overrides, as every command that takes a recipe spells them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from efficientfan.cli.extras import needs_train_extra

if TYPE_CHECKING:
    from efficientfan.recipes import AnyRecipe

__all__ = ["MoreSettings", "RecipeName", "Settings", "recipe_of"]

RecipeName = Annotated[
    str, typer.Argument(help="Name of a packaged recipe (`efficientfan recipes list`) or a .yaml file.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Replace a value of the recipe; more may follow it."),
]
MoreSettings = Annotated[
    list[str] | None,
    typer.Argument(metavar="KEY=VALUE", show_default=False, help="Further values, as --set."),
]


def recipe_of(name: str, settings: list[str] | None, more: list[str] | None) -> AnyRecipe:
    """Read and check a recipe with its overrides.

    Raises:
        InputError: no such recipe, or a key or value that a recipe cannot have.
        MissingDependencyError: the train extra is not installed.
    """
    with needs_train_extra("recipes need"):
        from efficientfan.recipes import load_recipe
    return load_recipe(name, [*(settings or []), *(more or [])])
