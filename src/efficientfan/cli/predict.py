"""`efficientfan predict`: landmarks of the faces in photos."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import track

if TYPE_CHECKING:
    from efficientfan.predict.photos import Photo
    from efficientfan.predict.stream import Found

__all__ = ["predict_command"]


def predict_command(
    sources: Annotated[
        list[str], typer.Argument(metavar="SOURCE...", help="Photos, folders of photos, or quoted globs.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write results here instead of to standard output: FILE.jsonl, FILE.json, FILE.csv, or a "
            "folder for .pts files. A file appears whole, when all is done."
        ),
    ] = None,
    output_format: Annotated[
        str | None,
        typer.Option(
            "--format", help="jsonl, json, csv, pts or coco; without it the suffix of --out decides."
        ),
    ] = None,
    draw: Annotated[
        Path | None, typer.Option(help="Also write the photos with the faces drawn into this folder.")
    ] = None,
    boxes: Annotated[
        Path | None,
        typer.Option(
            help="Take these boxes instead of looking for faces: a .csv file with the columns image, x0, y0, x1, "
            "y1 (what --out FILE.csv writes will do), or a .json object from each image to its list of boxes. "
            "One face a box, none dropped."
        ),
    ] = None,
    model: Annotated[
        str,
        typer.Option(help="A packaged model's name (efficientfan models list), or an exported .onnx file."),
    ] = "default",
    detector: Annotated[
        str,
        typer.Option(
            help="auto, yunet (efficientfan models fetch yunet), haar, or whole: the photo is the face."
        ),
    ] = "auto",
    min_score: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Drop found faces that score below; without it the model's own threshold."
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Faces in one run of the network.")] = 16,
    device: Annotated[
        str, typer.Option(help="cpu, cuda or cuda:N; one that is not there is an error.")
    ] = "cpu",
    threads: Annotated[
        int | None, typer.Option(min=1, help="Processor threads; without it all cores.")
    ] = None,
    max_pixels: Annotated[
        int, typer.Option(min=1, help="Refuse larger photos before decoding them.")
    ] = 100_000_000,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Look into folders of folders.")
    ] = False,
) -> None:
    """Find faces and their landmarks; results go to standard output as JSON lines, one object a photo.

    Points are x, y in image pixels, 0-based, pixel centres at integers; boxes are x0, y0, x1, y1.
    A photo that cannot be read is reported and skipped, and the exit code is then 1; it is 2 for misuse.

    Examples:

        efficientfan predict photo.jpg --draw drawn/

        efficientfan predict holiday/ --recursive --out faces.csv
    """
    from efficientfan.predict.given_boxes import read_boxes
    from efficientfan.predict.loading import load
    from efficientfan.predict.output import Record, choose_format, open_output
    from efficientfan.predict.photos import find_photos
    from efficientfan.predict.stream import Failure, predict_photos

    photos = find_photos(sources, recursive=recursive)
    given = None if boxes is None else read_boxes(boxes)
    format_name = choose_format(out, output_format)
    drawings = _Drawings(draw, photos)
    predictor = load(
        model,
        detector=detector if given is None else "whole",  # it is not asked
        device=device,
        threads=threads,
        batch_size=batch_size,
    )
    spec = predictor.spec
    console = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)
    finder = predictor.detector.name if given is None else "none, boxes given"
    console.print(f"model: {spec.name} ({spec.schema.name}); device: {device}; detector: {finder}")

    started, n_faces, n_failed = time.perf_counter(), 0, 0
    with open_output(out, format_name, spec.schema, photos) as writer:
        results = predict_photos(predictor, photos, given, min_score=min_score, max_pixels=max_pixels)
        for result in track(
            results,
            "photos",
            total=len(photos),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        ):
            if isinstance(result, Failure):
                n_failed += 1
                console.print(f"error: {result.reason}")
                continue
            height, width = result.image.shape[:2]
            writer.add(Record(result.photo.path, width, height, spec.name, spec.schema, result.faces))
            drawings.add(result)
            n_faces += len(result.faces)
    milliseconds = (time.perf_counter() - started) * 1e3
    console.print(
        f"{len(photos)} images, {n_faces} faces, {n_failed} failed; {milliseconds:.0f} ms, "
        f"{milliseconds / len(photos):.1f} an image"
    )
    if n_failed:
        raise typer.Exit(1)


class _Drawings:
    """The photos with their faces drawn, in `folder`; nothing where that is None."""

    def __init__(self, folder: Path | None, photos: Sequence[Photo]) -> None:
        from efficientfan.predict.output import check_folder
        from efficientfan.predict.photos import result_paths

        self._targets: Mapping[str, Path] = {}
        if folder is not None:
            check_folder(folder)
            self._targets = result_paths(photos, folder, {".jpg": ".jpg", ".jpeg": ".jpg"}, ".png")

    def add(self, result: Found) -> None:
        from efficientfan.draw import draw_faces
        from efficientfan.imaging import write_image

        if self._targets:
            write_image(self._targets[result.photo.path], draw_faces(result.image, result.faces))
