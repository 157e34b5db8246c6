"""`efficientfan crop`: aligned crops of the faces in photos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from efficientfan.cli.options import UntrustedOption, bars, counted, message_console
from efficientfan.cli.terms import print_terms
from efficientfan.errors import unknown

if TYPE_CHECKING:
    from efficientfan.align import Template

__all__ = ["crop_command"]


def crop_command(
    sources: Annotated[
        list[str], typer.Argument(metavar="PHOTO...", help="Photos, folders of photos, or quoted globs.")
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="Folder for the crops: NAME.png for the largest face of a photo, NAME_face2.png, ..."
        ),
    ],
    size: Annotated[int, typer.Option(min=1, max=8192, help="Side of the crops in pixels.")] = 112,
    template: Annotated[
        str,
        typer.Option(
            help="arcface (eyes, nose and mouth at fixed places), ffhq (with hair and chin), upright (the square "
            "around the landmarks, turned upright), or box (the same, not turned)."
        ),
    ] = "arcface",
    margin: Annotated[
        float,
        typer.Option(
            min=-0.9, help="Share by which the square around the face grows; 0.25 shows a quarter more."
        ),
    ] = 0.0,
    image_format: Annotated[
        Literal["png", "jpg"], typer.Option("--format", help="Of the crops: png loses nothing.")
    ] = "png",
    model: Annotated[
        str, typer.Option(help="As for predict: a packaged model's name, or an .onnx file.")
    ] = "default",
    detector: Annotated[str, typer.Option(help="As for predict: auto, yunet, haar, whole, ...")] = "auto",
    min_score: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Drop faces with a lower score.", show_default="the model's own threshold"
        ),
    ] = None,
    max_faces: Annotated[
        int | None, typer.Option(min=1, help="Keep the largest so many faces of each photo.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads in all.", show_default="all cores")
    ] = None,
    untrusted: UntrustedOption = False,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Search folders inside folders.")
    ] = False,
) -> None:
    """Cut faces out so that eyes and mouth lie in the same places. What lies outside of the photo is black.

    A photo that cannot be read is reported and skipped, and the exit code is then 1; it is 2 for misuse.

    Examples:

        efficientfan crop holiday/ --out crops/

        efficientfan crop photo.jpg --out crops/ --template ffhq --size 512
    """
    from efficientfan.align import TEMPLATES, align_transform
    from efficientfan.formats.records import FaceFiles
    from efficientfan.imaging import PhotoPyramid, process_settings, warp, write_image
    from efficientfan.predict import load
    from efficientfan.predict.detectors import open_detector
    from efficientfan.predict.many import PhotoFailure, Workers, predict_photos, share_threads
    from efficientfan.predict.output import check_folder
    from efficientfan.predict.photos import find_photos, result_paths

    if template not in TEMPLATES:
        raise unknown("template", template, TEMPLATES)
    chosen = cast("Template", template)
    photos = find_photos(sources, recursive=recursive)
    check_folder(out)
    files = FaceFiles(result_paths(photos, out, {}, f".{image_format}"))
    shares = share_threads(threads, len(photos))
    finder = open_detector(detector, shares.each)
    predictor = load(model, detector=finder, threads=shares.each, max_faces=max_faces)
    console = message_console()
    print_terms(console, predictor.spec, getattr(finder, "spec", None))
    n_faces = n_failed = 0
    with (
        process_settings(shares.workers, shares.each),
        Workers(shares.workers) as workers,
        bars(console) as progress,
    ):
        results = predict_photos(predictor, photos, min_score=min_score, workers=workers, untrusted=untrusted)
        for result in progress.track(results, total=len(photos), description="photos"):
            if isinstance(result, PhotoFailure):
                n_failed += 1
                console.print(f"error: {result.reason}")
                continue
            photo = PhotoPyramid(result.image)
            for number, face in enumerate(result.faces, start=1):  # one by one: crops may be large
                (crop,) = warp(photo, [align_transform(face, size, chosen, margin)])
                write_image(files.path(result.photo.path, number), crop)
            n_faces += len(result.faces)
    console.print(
        f"{counted(len(photos), 'image')}, {counted(n_faces, 'face')}, {n_failed} failed; crops in {out}"
    )
    if n_failed:
        raise typer.Exit(1)
