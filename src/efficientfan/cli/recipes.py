"""`efficientfan recipes`: which training recipes there are, and what each says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from efficientfan.cli.options import MoreSettings, RecipeName, Settings, recipe_of
from efficientfan.errors import needs_extra

__all__ = ["recipes_app"]

recipes_app = typer.Typer(help="Training recipes: published rows and our own.", no_args_is_help=True)

_HEADINGS = ("recipe", "trained", "published", "teacher", "what")


@recipes_app.command("list")
def list_command(
    containing: Annotated[str, typer.Argument(help="Only recipes whose name contains this.")] = "",
) -> None:
    """List the packaged recipes: whether we have trained them, the paper's figure, the teacher.

    Example: efficientfan recipes list 300w
    """
    with needs_extra("train", "recipes need"):
        from efficientfan.recipes import list_recipes

    found = {name: facts for name, facts in list_recipes().items() if containing in name}
    rows = [_HEADINGS] if found else []
    for name, facts in found.items():
        what = facts.about.partition(". ")[0].rstrip(".")
        rows.append((name, "yes" if facts.trained else "no", facts.published, facts.teacher or "-", what))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        typer.echo("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
    typer.echo(
        "trained: by us, to the end; published: the paper's NME in percent, on 300w common / challenging / full",
        err=True,
    )


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

    from efficientfan.recipes import list_recipes

    facts = list_recipes().get(recipe)
    if facts is not None:
        trained = "yes" if facts.trained else "no"
        typer.echo(
            f"# published: {facts.published}; trained by us: {trained}; teacher: {facts.teacher or 'none'}"
        )
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
