"""`efficientfan recipes`: which training recipes there are, and what each says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from efficientfan.cli.options import MoreSettings, RecipeName, Settings, recipe_of
from efficientfan.errors import needs_extra

__all__ = ["recipes_app"]

recipes_app = typer.Typer(help="Training recipes: published rows and our own.", no_args_is_help=True)


@recipes_app.command("list")
def list_command(
    containing: Annotated[str, typer.Argument(help="Only recipes whose name contains this.")] = "",
) -> None:
    """List the packaged recipes.

    Example: efficientfan recipes list 300w
    """
    with needs_extra("train", "recipes need"):
        from efficientfan.recipes import list_recipes, read_recipe_file

    names = [name for name in list_recipes() if containing in name]
    width = max(map(len, names), default=0)
    for name in names:
        about = " ".join(str(read_recipe_file(name).get("about", "")).split())
        typer.echo(f"{name:<{width}}  {about.partition('. ')[0].rstrip('.')}")


@recipes_app.command("show")
def show_command(
    recipe: RecipeName,
    more: MoreSettings = None,
    settings: Settings = None,
) -> None:
    """Check a recipe and print all that it says, with what it inherits and every default, as YAML.

    The output is a recipe itself: redirect it into a file to make it your own.

    Example: efficientfan recipes show 300w/mobilefan_fa_fs --set train.batch_size=64 > mine.yaml
    """
    checked = recipe_of(recipe, settings, more)
    import yaml

    for line in _pedigree(recipe):
        typer.echo(f"# {line}")
    typer.echo(
        yaml.safe_dump(checked.model_dump(mode="json", by_alias=True), sort_keys=False, width=110), nl=False
    )


def _pedigree(recipe: str, indent: str = "") -> Iterator[str]:
    """All that a recipe inherits, one line each, indented by descent."""
    from efficientfan.recipes import read_recipe_file

    for base in read_recipe_file(recipe)["base"]:
        about = " ".join(str(read_recipe_file(base).get("about", "")).split())
        yield f"{indent}inherits {base}: {about}"
        yield from _pedigree(base, indent + "  ")
