"""What `predict` of many photos adds: sources from lists, and results in shards of which a run can be resumed."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from efficientfan.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from efficientfan.batch import Part, RunInfo, RunPlan, ShardedRun
    from efficientfan.predict.many import Workers
    from efficientfan.predict.photos import Photo
    from efficientfan.schema import LandmarkSchema

__all__ = [
    "ContentOption",
    "ListOption",
    "PartOption",
    "ResumeOption",
    "RetryOption",
    "ShardOptions",
    "ShardSizeOption",
    "check_retry",
    "photos_of",
]

ListOption = Annotated[
    Path | None,
    typer.Option(
        "--list",
        metavar="FILE",
        help="Take the photos that this file names, one path per line; - is standard input.",
    ),
]
PartOption = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="K/N",
        help="Take the K-th of N parts of the photos, such as 3/16: one per machine.",
    ),
]
ResumeOption = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Go on with the run in the folder of --out: only photos that are not done, or whose file has changed.",
    ),
]
RetryOption = Annotated[
    bool, typer.Option("--retry-failed", help="With --resume: do photos that failed once more.")
]
ShardSizeOption = Annotated[
    int,
    typer.Option(
        "--shard-size",
        min=1,
        max=100_000,
        help="Photos of one file in the folder of --out; as many are lost at most when the run is killed.",
    ),
]
ContentOption = Annotated[
    bool,
    typer.Option(
        "--by-content",
        help="Tell by the content's SHA-256, not by size and time, whether a photo has changed.",
    ),
]


def check_retry(retry_failed: bool, resume: bool) -> None:
    """Refuse --retry-failed without --resume.

    Raises:
        InputError: as said.
    """
    if retry_failed and not resume:
        raise InputError("--retry-failed goes with --resume: it does photos of an earlier run once more")


def photos_of(
    sources: Sequence[str], listed: Path | None, *, recursive: bool, part: Part | None
) -> list[Photo]:
    """The photos of the command line, of a list and of standard input, in this order, or a part of them.

    Raises:
        InputError: no source at all, one that cannot be read or holds no photo, or a part without photos.
    """
    from efficientfan.batch import listed_photos
    from efficientfan.predict.photos import find_photos

    if not sources and listed is None:
        raise InputError("no photos: name files, folders or globs, or a list of paths with --list FILE")
    lists = [source for source in sources if source == "-"] + ([] if listed is None else [str(listed)])
    if lists.count("-") > 1:
        raise InputError("standard input (-) can be read once only")
    photos = find_photos([source for source in sources if source != "-"], recursive=recursive)
    for each in lists:
        photos += listed_photos(*_content(each))
    if part is not None:
        photos = [photo for photo in photos if part.holds(photo)]
        if not photos:
            raise InputError(f"--shard {part.number}/{part.of}: none of the photos is of this part")
    return photos


def _content(source: str) -> tuple[bytes, str]:
    from efficientfan.imaging import PHOTO_SUFFIXES

    if source == "-":
        if sys.stdin is None:
            raise InputError("standard input is closed; give the paths in a file with --list FILE")
        return sys.stdin.buffer.read(), "standard input"
    if Path(source).suffix.lower() in PHOTO_SUFFIXES:
        raise InputError(f"{source}: is a photo; --list takes a text file that names photos, one per line")
    try:
        return Path(source).read_bytes(), source
    except OSError as error:
        raise InputError(f"{source}: cannot be read ({error.strerror})") from error


@dataclass(frozen=True)
class ShardOptions:
    """How results are written as shards.

    Attributes:
        out: the folder of --out.
        format_name: of `efficientfan.batch.SHARD_FORMATS`.
        photos_per_shard, resume, retry_failed, content: as for `open_sharded_run`.
        part: of --shard.
    """

    out: Path
    format_name: str
    photos_per_shard: int
    resume: bool
    retry_failed: bool
    content: bool
    part: Part | None

    @contextmanager
    def open(
        self,
        info: RunInfo,
        schema: LandmarkSchema,
        photos: Sequence[Photo],
        workers: Workers,
        console: Console,
    ) -> Iterator[ShardedRun]:
        """The run; what it has to do is printed, and where it stopped, if it is stopped.

        Raises:
            InputError: as for `open_sharded_run`.
        """
        from efficientfan.batch import (
            ShardFolder,
            open_sharded_run,
            results_folder,
            shard_format,
            unique_photos,
        )

        part = None if self.part is None else f"{self.part.number}/{self.part.of}"
        more = {
            "format": self.format_name,
            "shard_size": self.photos_per_shard,
            "shard": part,
            "by_content": self.content,
        }
        info = replace(info, options={**info.options, **more})
        folder = ShardFolder(results_folder(self.out, self.part), self.format_name)
        unique = unique_photos(photos)
        if len(unique) < len(photos):
            console.print(f"note: {len(photos) - len(unique):,} photos are named twice and taken once")
        file_format = shard_format(
            self.format_name, schema, info.to_dict(), photos_per_shard=self.photos_per_shard
        )
        with open_sharded_run(
            folder,
            info,
            unique,
            file_format,
            photos_per_shard=self.photos_per_shard,
            resume=self.resume,
            retry_failed=self.retry_failed,
            content=self.content,
            workers=workers,
        ) as run:
            for line in folder.complaints:
                console.print(f"note: {line}")
            _say_what_is_left(run.plan, console)
            try:
                yield run
            except BaseException:
                done = run.plan.n_done + run.n_written
                if done:
                    console.print(f"stopped: {done:,} photos are in whole shards; --resume goes on")
                else:
                    console.print("stopped: no photo is in a whole shard yet")
                raise


def _say_what_is_left(plan: RunPlan, console: Console) -> None:
    if plan.n_done or plan.n_changed or plan.n_retried:
        failed = f" ({plan.n_failed:,} of them failed)" if plan.n_failed else ""
        changed = f", {plan.n_changed:,} of them because their files changed" if plan.n_changed else ""
        retried = f", {plan.n_retried:,} of them because they failed" if plan.n_retried else ""
        console.print(
            f"resumed: {plan.n_done:,} photos are done{failed}; {plan.n_photos:,} to do{changed}{retried}"
        )
    if plan.n_unlisted:
        console.print(
            f"note: {plan.n_unlisted:,} photos of the folder are not among the sources; their rows stay"
        )
