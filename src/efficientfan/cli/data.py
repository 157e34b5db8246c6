"""`efficientfan data`: list, check, convert and pack data sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from efficientfan.cli.preview import preview_command
from efficientfan.errors import InputError, printable

if TYPE_CHECKING:
    from efficientfan.data.mirror import MirrorOffset
    from efficientfan.schema import LandmarkSchema
    from efficientfan.structures import Annotation as FaceAnnotation

__all__ = ["data_app"]

data_app = typer.Typer(no_args_is_help=True, help="Data sets: list, check, convert, pack.")

Name = Annotated[str, typer.Argument(help="Data set; `efficientfan data list` shows them.")]
Root = Annotated[Path, typer.Argument(help="Its unpacked folder (coco and csv: or the file itself).")]
Schema = Annotated[
    str | None,
    typer.Option(help="Landmark schema, by name or .json file; coco, csv and pts need one."),
]


@data_app.command("list")
def list_() -> None:
    """List the data sets: splits with official counts, schema, terms.

    Example: efficientfan data list
    """
    from efficientfan.data.catalog import DATASETS
    from efficientfan.data.scenes.catalog import SCENE_SETS

    for row in DATASETS.values():
        splits = ", ".join(f"{s} {'-' if n is None else n}" for s, n in row.splits.items()) or "any"
        typer.echo(f"{row.name:9} {row.title}")
        typer.echo(f"{'':9} schema {row.schema or 'yours'}; splits: {splits}; error over {row.normalizer}")
        typer.echo(f"{'':9} {row.terms}")
    typer.echo("\nFor face detection:\n")
    for scenes in SCENE_SETS.values():
        typer.echo(f"{scenes.name:9} {scenes.title}")
        typer.echo(f"{'':9} splits: {', '.join(scenes.splits) or 'any'}")
        typer.echo(f"{'':9} {scenes.terms}")


@data_app.command()
def check(
    name: Name,
    root: Root,
    split: Annotated[list[str] | None, typer.Option(help="Only this split; may be repeated.")] = None,
    schema: Schema = None,
    sheet: Annotated[
        Path | None, typer.Option(help="Write a PNG of annotated faces, or scenes, here.")
    ] = None,
    allow_partial: Annotated[
        bool,
        typer.Option("--allow-partial", help="Only warn where the number of faces is not the official one."),
    ] = False,
    mirror_offset: Annotated[
        bool,
        typer.Option(
            "--mirror-offset",
            help="Also measure how far the labels lean to one side, with the packaged model.",
        ),
    ] = False,
    detector: Annotated[
        bool,
        typer.Option(
            "--detector",
            help="Also compare the tight boxes of the points with the packaged detector's boxes.",
        ),
    ] = False,
) -> None:
    """Check a data set: counts, unreadable photos, impossible points or boxes, duplicates. Exit code 0 if fit, else 1.

    Examples:

        efficientfan data check csv mine.csv --schema mine.json --detector --sheet sheet.png

        efficientfan data check 300w ~/data/300w --split train --sheet sheet.png

        efficientfan data check scenes ~/data/scenes --split crowds --sheet sheet.png

    --detector says whether a model that is trained in the points' own boxes will meet such boxes in use.

    --mirror-offset measures whether the labels lie too far to one side, as those of 300-W do by half a percent of the
    face. Training corrects for it where it mirrors faces.

    On a sheet of scenes, green boxes must be found, blue ones were not checked by a person, gray ones are ignored.
    """
    from efficientfan.data.catalog import get_dataset, resolve_schema
    from efficientfan.data.check import check_dataset, face_sheet
    from efficientfan.data.scenes.catalog import SCENE_SETS
    from efficientfan.imaging import write_image

    def progress(title: str, done: int, total: int) -> None:
        if done % 500 == 0:
            typer.echo(f"{title}: {done} of {total}", err=True)

    if name in SCENE_SETS:
        if schema is not None or allow_partial or mirror_offset or detector:
            raise InputError(
                f"--schema, --allow-partial, --mirror-offset and --detector are of landmarks; '{name}' holds boxes"
            )
        _check_scenes(name, root, split or (), sheet, progress)
        return
    landmarks = resolve_schema(get_dataset(name), schema)
    reports, faces = check_dataset(
        name, root, split or (), schema=landmarks, allow_partial=allow_partial, progress=progress
    )
    for report in reports:
        typer.echo(printable("\n".join(report.lines()), keep="\n"))
    if mirror_offset:
        typer.echo(f"labels lean {_measured_offset(faces, landmarks)}")
    if detector and faces:
        typer.echo(_box_advice(faces))
    if sheet is not None and faces:
        write_image(sheet, face_sheet(faces, landmarks))
        typer.echo(f"wrote {sheet}", err=True)
    if not all(report.fit for report in reports):
        raise typer.Exit(1)


def _measured_offset(faces: Sequence[FaceAnnotation], schema: LandmarkSchema) -> MirrorOffset:
    from efficientfan.data.mirror import measure_mirror_offset
    from efficientfan.predict import load

    predictor = load()

    def progress(done: int, total: int) -> None:
        if done % 100 == 0:
            typer.echo(f"mirror offset: {done} of {total} faces", err=True)

    return measure_mirror_offset(
        faces, lambda crops: predictor.backend.run(crops).points, predictor.spec, schema, progress=progress
    )


def _box_advice(faces: Sequence[FaceAnnotation]) -> str:
    from efficientfan.data.plausible import box_advice
    from efficientfan.predict import open_detector

    finder = open_detector("auto")

    def progress(done: int, total: int) -> None:
        if done % 50 == 0:
            typer.echo(f"detector: {done} of {total} faces", err=True)

    return box_advice(faces, lambda image: finder.detect(image).boxes, progress)


def _check_scenes(
    name: str,
    root: Path,
    splits: Sequence[str],
    sheet: Path | None,
    progress: Callable[[str, int, int], None],
) -> None:
    from efficientfan.data.scenes.check import check_scenes
    from efficientfan.data.scenes.sheets import scene_sheet
    from efficientfan.imaging import write_image

    reports, sets = check_scenes(name, root, splits, progress=progress)
    for report in reports:
        typer.echo(printable("\n".join(report.lines()), keep="\n"))
    if sheet is not None and sets:
        write_image(sheet, scene_sheet(sets[0]))
        typer.echo(f"wrote {sheet}", err=True)
    if not all(report.fit for report in reports):
        raise typer.Exit(1)


@data_app.command()
def convert(
    name: Name,
    root: Root,
    split: Annotated[str, typer.Option(help="Which split.")],
    to: Annotated[str, typer.Option(help="coco, csv or pts.")],
    out: Annotated[
        Path, typer.Option(help="A .json or .csv file; for pts a new folder (photos are copied).")
    ],
    schema: Schema = None,
    detector: Annotated[
        bool,
        typer.Option("--detector", help="Give each face the packaged detector's box in place of its own."),
    ] = False,
) -> None:
    """Write a split as COCO keypoints JSON, CSV table or .pts folder; says what the format cannot hold.

    Examples:

        efficientfan data convert wflw ~/data/wflw --split test --to coco --out wflw_test.json

        efficientfan data convert csv mine.csv --split all --schema mine.json --to csv --out boxed.csv --detector

    With --detector, a face that is not found gets a box that lies beside its points as the others' do.
    """
    from efficientfan.cli.options import progress_bar
    from efficientfan.data.catalog import get_dataset, load_dataset, resolve_schema
    from efficientfan.data.convert import convert as run

    landmarks = resolve_schema(get_dataset(name), schema)
    faces = load_dataset(name, root, split, schema=landmarks)
    if detector:
        from efficientfan.data.detected import with_detected_boxes
        from efficientfan.predict import open_detector

        finder = open_detector("auto")
        with progress_bar("faces", len(faces)) as progress:
            faces, missed = with_detected_boxes(faces, lambda image: finder.detect(image).boxes, progress)
        typer.echo(f"the detector found {len(faces) - missed} of {len(faces)} faces", err=True)
    for loss in run(faces, landmarks, to, out):
        typer.echo(f"note: {loss}", err=True)
    typer.echo(f"{out}: {len(faces)} faces, {landmarks.name}, as {to}")


@data_app.command()
def pack(
    name: Name,
    root: Root,
    split: Annotated[str, typer.Option(help="Which split.")],
    out: Annotated[Path, typer.Option(help="Folder of the packed data set; several splits may share it.")],
    schema: Schema = None,
    shard_mb: Annotated[int, typer.Option(min=1, help="Size of a tar file.")] = 1000,
) -> None:
    """Pack a split's photos into a few tar files, for sets of more photos than a file system likes.

    Photos are kept byte for byte. The folder is then read in place of the unpacked one, under the data set's own name,
    and trains the same network, bit for bit. The tar files have webdataset's layout.

    Example: efficientfan data pack 300wlp ~/data/300W-LP --split train --out ~/packed/300wlp
    """
    from efficientfan.cli.options import progress_bar
    from efficientfan.data.catalog import get_dataset, load_dataset, resolve_schema
    from efficientfan.data.packed import pack_dataset

    info = get_dataset(name)
    landmarks = resolve_schema(info, schema)
    faces = load_dataset(name, root, split, schema=landmarks)
    with progress_bar("faces", len(faces)) as progress:
        shards = pack_dataset(
            faces,
            out,
            split,
            dataset=info.name,
            schema=landmarks,
            shard_bytes=shard_mb * 1_000_000,
            progress=progress,
        )
    typer.echo(f"{out}: {len(faces)} faces of {name} {split} in {len(shards)} tar files")


data_app.command("preview")(preview_command)
