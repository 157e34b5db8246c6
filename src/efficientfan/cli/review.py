"""`efficientfan review` and `review-import`: from predictions to labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from efficientfan.cli.options import progress_bar
from efficientfan.errors import InputError, printable
from efficientfan.schema import get_schema

__all__ = ["review_command", "review_import_command"]

Schema = Annotated[
    str | None,
    typer.Option(help="Landmark schema, where the file does not say it.", show_default="what it says"),
]


def review_command(
    predictions: Annotated[
        Path,
        typer.Argument(
            help="What `efficientfan predict` or `batch` wrote: .jsonl, .json (also COCO), .csv, .parquet, or a "
            "folder of shards."
        ),
    ],
    out: Annotated[Path, typer.Option(help="A new folder for the review.")],
    count: Annotated[int, typer.Option(min=1, help="Most faces to look at.")] = 100,
    below: Annotated[float, typer.Option(min=0, max=1, help="Only faces of a lower score.")] = 1.0,
    sure: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Also write faces of at least this score to sure.json, as pseudo-labels to train on.",
        ),
    ] = None,
    photos: Annotated[
        Path | None,
        typer.Option(
            help="Folder in which the photos' paths begin.",
            show_default="the current folder, else that of the predictions",
        ),
    ] = None,
    schema: Schema = None,
) -> None:
    """The least sure faces of a predictions file, for correction in a labeling tool.

    The folder holds index.html to look at, images/ with the faces' photos, review.json (COCO keypoints, as CVAT and
    Label Studio read it) and cvat_labels.json, the skeleton for CVAT. `efficientfan review-import` takes the
    corrections back.

    Example: efficientfan review predicted.jsonl --out review --count 50 --sure 0.9
    """
    from efficientfan.evaluation.landmarks.predictions import predictions_schema, stream_predictions
    from efficientfan.review import (
        PhotoFinder,
        ReviewFolder,
        faces_above,
        least_sure,
        write_review,
        write_sure,
    )

    landmarks = get_schema(schema) if schema else predictions_schema(predictions)
    find = PhotoFinder(predictions, photos)
    faces = least_sure(stream_predictions(predictions, landmarks), count, below)
    with progress_bar("faces", len(faces)) as progress:
        problems = write_review(faces, landmarks, find, out, progress=progress)
    folder = ReviewFolder(out)
    if sure is not None:
        seen = {face.key for face in faces}
        others = faces_above(stream_predictions(predictions, landmarks), sure, seen)
        problems += write_sure(others, landmarks, find, folder.sure)
        typer.echo(f"{folder.sure}: {len(others)} faces of score {sure:g} or more", err=True)
    for problem in problems:
        typer.echo(f"error: {printable(problem)}", err=True)
    typer.echo(folder.page)
    if problems:
        raise typer.Exit(1)


def review_import_command(
    review: Annotated[Path, typer.Argument(help="The folder of `efficientfan review`.")],
    export: Annotated[
        Path, typer.Argument(help="What the labeling tool exports as COCO keypoints: a .json file.")
    ],
    schema: Schema = None,
) -> None:
    """Take corrections back: says what people changed, and writes REVIEW/corrected.json, a data set to train on.

    A face that is gone from a photo of the export was none; a photo that is not in the export was not reviewed.

    Example: efficientfan review-import review annotations/person_keypoints_default.json
    """
    from efficientfan.review import ReviewFolder, import_corrections

    if not export.is_file():
        raise InputError(f"{export}: no such file")
    folder = ReviewFolder(review)
    for line in import_corrections(folder, export, schema).lines():
        typer.echo(line, err=True)
    typer.echo(folder.corrected)
