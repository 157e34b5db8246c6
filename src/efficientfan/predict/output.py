"""The writer of results: chosen by the format's name or the file's suffix."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from efficientfan.errors import InputError
from efficientfan.files import atomic_path
from efficientfan.formats.coco import CocoWriter
from efficientfan.formats.csv_tables import CsvWriter
from efficientfan.formats.parquet import ParquetWriter, arrow_schema, tables_metadata
from efficientfan.formats.pts import PtsWriter
from efficientfan.formats.records import JsonLinesWriter, JsonListWriter, RecordWriter
from efficientfan.predict.photos import Photo, result_paths
from efficientfan.schema import LandmarkSchema

__all__ = ["FORMATS", "check_folder", "choose_format", "open_output", "writes_shards"]

FORMATS = {
    "jsonl": ".jsonl",
    "json": ".json",
    "csv": ".csv",
    "coco": ".json",
    "parquet": ".parquet",
    "pts": "",
}
"""Format -> suffix of its file; .pts files go into a folder."""

_OR_SHARDS = dict.fromkeys(("parquet", "jsonl"), ", or many into a folder (no suffix)")


def writes_shards(out: Path | None, chosen: str | None) -> bool:
    """Whether many files are written: to a folder, a path without suffix, in a format that was chosen for it."""
    return out is not None and chosen in _OR_SHARDS and (not out.suffix or out.is_dir())


def choose_format(out: Path | None, chosen: str | None) -> str:
    """The format: the chosen one, else that of the suffix of `out` (none: a folder of .pts), else JSON lines.

    Raises:
        InputError: an unknown format or suffix, or a suffix that is not the format's.
    """
    if chosen is not None and chosen not in FORMATS:
        raise InputError(f"unknown format {chosen!r}; known are {', '.join(FORMATS)}")
    if out is None:
        if chosen in ("pts", "coco", "parquet"):
            raise InputError(f"format {chosen!r} needs --out")
        return chosen or "jsonl"
    suffix = out.suffix.lower()
    if writes_shards(out, chosen):
        return str(chosen)
    if chosen is not None:
        if suffix != FORMATS[chosen]:
            wanted = (
                f"a {FORMATS[chosen]} file{_OR_SHARDS.get(chosen, '')}"
                if FORMATS[chosen]
                else "a folder (no suffix)"
            )
            raise InputError(f"{out}: format {chosen!r} writes {wanted}")
        return chosen
    by_suffix = {".jsonl": "jsonl", ".json": "json", ".csv": "csv", ".parquet": "parquet", "": "pts"}
    if suffix not in by_suffix:
        raise InputError(
            f"{out}: unknown suffix; use .jsonl, .json, .csv, .parquet, or a folder for .pts files"
        )
    return by_suffix[suffix]


@contextmanager
def open_output(
    out: Path | None,
    format_name: str,
    schema: LandmarkSchema,
    photos: Sequence[Photo] = (),
    *,
    video: bool = False,
    run: Mapping[str, Any] | None = None,
) -> Iterator[RecordWriter]:
    """A writer of `format_name` to `out`, or to standard output. A file appears complete at the end, or not at all.

    Args:
        out: file, or folder for "pts"; None is standard output.
        format_name: of `FORMATS`.
        schema: of the faces.
        photos: those that will come; they name the files of "pts".
        video: the records are frames of videos.
        run: what the run is made with, for formats whose files say it (`parquet.tables_metadata`).

    Raises:
        InputError: `out` cannot be written; raised before any photo is read.
        MissingDependencyError: pyarrow is not installed, which "parquet" needs.
    """
    if format_name == "pts":
        if out is None:
            raise InputError("format 'pts' needs --out")
        check_folder(out)
        yield PtsWriter(result_paths(photos, out, {}, ".pts"))
        return
    if out is None:
        if sys.stdout is None:
            raise InputError("standard output is closed; write to a file with --out")
        if isinstance(sys.stdout, io.TextIOWrapper):  # results are UTF-8, whatever the terminal's language
            sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
        writer = _writer(format_name, sys.stdout, schema, video)
        yield writer
        writer.finish()
        return
    if out.is_dir():
        raise InputError(f"{out}: is a folder, not a file to write")
    if format_name == "parquet":
        arrow_schema()  # a missing pyarrow is said before any work
        with atomic_path(out) as temporary, temporary.open("wb") as binary:
            table = ParquetWriter(binary, tables_metadata(schema, run))
            yield table
            table.finish()
        return
    with atomic_path(out) as temporary, _open_text(temporary) as stream:
        writer = _writer(format_name, stream, schema, video)
        yield writer
        writer.finish()


def _open_text(path: Path) -> TextIO:
    # A photo's name need not be UTF-8; its bytes are written unchanged.
    return path.open("w", encoding="utf-8", errors="surrogateescape", newline="\n")


def check_folder(folder: Path) -> None:
    """Create a folder for results and check, before the work, that files can be written to it.

    Raises:
        InputError: they cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be made a folder ({error.strerror}); choose another place"
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"{folder}: cannot be written to; choose another place")


def _writer(format_name: str, stream: TextIO, schema: LandmarkSchema, video: bool) -> RecordWriter:
    if format_name == "jsonl":
        return JsonLinesWriter(stream)
    if format_name == "json":
        return JsonListWriter(stream)
    if format_name == "csv":
        return CsvWriter(stream, schema, video=video)
    return CocoWriter(stream, schema)
