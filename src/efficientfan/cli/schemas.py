"""`efficientfan schemas`: list landmark schemas, and show which landmark is which."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from efficientfan.schema import LandmarkSchema, get_schema, list_conversions, list_schemas

__all__ = ["schemas_app"]

schemas_app = typer.Typer(help="Landmark schemas: what each landmark is.", no_args_is_help=True)


@schemas_app.command("list")
def list_command() -> None:
    """List the packaged schemas and the conversions between them.

    Example: efficientfan schemas list
    """
    for name in list_schemas():
        schema = get_schema(name)
        typer.echo(f"{name:<8} {schema.n_landmarks:>4}  {schema.title}")
    typer.echo("\nconversions:")
    for conversion in list_conversions():
        typer.echo(f"{conversion.source:<8} -> {conversion.target:<7} {conversion.note}")


@schemas_app.command("show")
def show_command(
    schema: Annotated[
        str, typer.Argument(help="Name of a packaged schema, or path of your own schema's .json file.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Where to write the index picture; otherwise NAME.png in the working folder."),
    ] = None,
) -> None:
    """Print a schema's table and write its index picture. Your own schema file is checked first.

    Left and right are the pictured person's own.

    Example: efficientfan schemas show ibug68 --out ibug68.png
    """
    table = get_schema(schema)
    typer.echo(_as_text(table))
    if out is None and not table.layout:
        typer.echo("no index picture: the schema has no 'layout'", err=True)
        return
    from efficientfan.draw import draw_index_picture
    from efficientfan.imaging import write_image

    target = out or Path(f"{Path(table.name).name}.png")
    write_image(target, draw_index_picture(table))
    typer.echo(f"index picture: {target}", err=True)


def _as_text(schema: LandmarkSchema) -> str:
    regions = [
        ", ".join(n for n, members in schema.regions.items() if i in members)
        for i in range(schema.n_landmarks)
    ]
    flip = schema.flip_indices
    width = max(len(name) for name in ("name", *schema.landmarks))
    rows = [
        f"{schema.name}: {schema.title}" if schema.title else schema.name,
        f"landmarks: {schema.n_landmarks}",
    ]
    if schema.source:
        rows.append(f"source: {schema.source}")
    if schema.normalizers:
        rows.append(f"normalizers: {', '.join(schema.normalizers)}")
    rows += ["", f"{'index':>5}  {'name':<{width}}  mirror  region"]
    rows += [
        f"{index:>5}  {name:<{width}}  {flip[index]:>6}  {regions[index]}".rstrip()
        for index, name in enumerate(schema.landmarks)
    ]
    return "\n".join(rows)
