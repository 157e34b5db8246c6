"""`efficientfan data preview`: a picture sheet of a recipe's augmentation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from efficientfan.cli.options import MoreSettings, RecipeName, Settings, recipe_of
from efficientfan.errors import needs_extra

__all__ = ["preview_command"]


def preview_command(
    recipe: RecipeName,
    out: Annotated[Path, typer.Option(help="Write the sheet here (.png or .jpg).")],
    more: MoreSettings = None,
    settings: Settings = None,
    faces: Annotated[
        int,
        typer.Option(
            min=1, help="Number of faces, one column each; of a detection recipe, number of pictures."
        ),
    ] = 6,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the choice of faces.")] = 0,
) -> None:
    """Draw each augmentation of a recipe on its own training faces, and the crops that training will draw.

    Check that the dots are on the faces: orange and blue mark the two sides, also after a flip. Of a detection
    recipe, draw its training pictures: green boxes are learned, blue ones too, though they were not checked by a
    person, gray ones are ignored.

    Example: efficientfan data preview mobilefan_128 --set data.root=/data --out preview.png
    """
    with needs_extra("train", "a preview needs"):
        from efficientfan.data.preview import augmentation_sheet
        from efficientfan.data.scenes.sheets import mosaic_sheet
        from efficientfan.recipes.detection import DetectionRecipe
        from efficientfan.train.detection import build_detector, build_pictures
        from efficientfan.train.landmarks import build_crops, build_faces
    from efficientfan.imaging import write_image

    loaded = recipe_of(recipe, settings, more)
    if isinstance(loaded, DetectionRecipe):
        pictures, _ = build_pictures(loaded, build_detector(loaded)[0])
        sheet = mosaic_sheet(pictures, count=faces, seed=seed)
    else:
        crops, _ = build_crops(loaded, build_faces(loaded))
        sheet = augmentation_sheet(crops, count=faces, seed=seed)
    write_image(out, sheet)
    typer.echo(out)
