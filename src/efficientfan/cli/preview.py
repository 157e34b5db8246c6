"""`efficientfan data preview`: see what a recipe's augmentation does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from efficientfan.errors import MissingDependencyError

__all__ = ["preview_command"]


def preview_command(
    recipe: Annotated[
        str, typer.Argument(help="Name of a packaged recipe (`efficientfan recipes list`) or a .yaml file.")
    ],
    out: Annotated[Path, typer.Option(help="Write the sheet here (.png or .jpg).")],
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Replace a value of the recipe; may be given again."),
    ] = None,
    faces: Annotated[int, typer.Option(min=1, help="Faces shown, a column each.")] = 6,
    seed: Annotated[int, typer.Option(min=0, help="Another seed shows other faces.")] = 0,
) -> None:
    """Draw each augmentation of a recipe on its own training faces, and the crops that training will draw.

    Look whether the dots sit on the faces: orange and blue ones mark the two sides, also after a flip.

    Example: efficientfan data preview mobilefan_128 --set data.root=/data --out preview.png
    """
    try:
        from efficientfan.data.dataset import CropSpec, FaceCrops
        from efficientfan.data.preview import augmentation_sheet
        from efficientfan.recipes import load_recipe
        from efficientfan.train.build import build_faces
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"a preview needs {error.name}: pip install 'efficientfan[train]'"
        ) from error
    from efficientfan.imaging import write_image
    from efficientfan.schema import get_schema

    loaded = load_recipe(recipe, overrides or [])
    crops = FaceCrops(
        build_faces(loaded).train,
        get_schema(loaded.data.schema_name),
        CropSpec(loaded.model.input_size, loaded.model.margin),
        augmentation=loaded.augmentation,
        seed=loaded.train.seed,
        boxes=loaded.data.boxes,
    )
    write_image(out, augmentation_sheet(crops, count=faces, seed=seed))
    typer.echo(out)
