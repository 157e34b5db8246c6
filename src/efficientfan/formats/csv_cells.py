"""Rows of CSV files, with line numbers for messages, and cells that no spreadsheet takes for a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from efficientfan.errors import InputError
from efficientfan.files import read_text

__all__ = ["by_column", "guarded", "open_rows", "plain", "row_writer"]

_FORMULA = tuple("=+-@\t\r")
"""How text begins that spreadsheets take for a formula."""


def open_rows(path: Path) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """The header of a file, and the rows below it: line number and fields.

    Raises:
        InputError: the file cannot be read, or is not CSV; of a row when its turn comes.
    """
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)

    def next_row() -> list[str] | None:
        try:
            return next(reader, None)
        except csv.Error as error:
            raise InputError(f"{path}: line {reader.line_num}: is not CSV ({error})") from error

    header = next_row() or []

    def rows() -> Iterator[tuple[int, list[str]]]:
        while (fields := next_row()) is not None:
            if fields:
                yield reader.line_num, fields

    return header, rows()


def by_column(path: Path, line: int, header: list[str], fields: list[str]) -> dict[str, str]:
    """A row's fields by the names of their columns.

    Raises:
        InputError: more or fewer fields than columns.
    """
    if len(fields) != len(header):
        raise InputError(f"{path}: line {line}: expected {len(header)} fields, found {len(fields)}")
    return dict(zip(header, fields, strict=True))


def guarded(text: str) -> str:
    """Text as a cell that is no formula; `plain` undoes it."""
    return f"./{text}" if text.startswith(_FORMULA) else text


def plain(cell: str) -> str:
    """The text of a cell that `guarded` made."""
    return cell[2:] if cell.startswith("./") and cell[2:].startswith(_FORMULA) else cell


def row_writer(stream: TextIO) -> Any:
    """A `csv.writer` whose rows end in line feeds."""
    return csv.writer(_LineFeeds(stream))


class _LineFeeds:
    """Ends rows in line feeds. Were the writer told to, it would leave carriage returns in names without quotes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, row: str) -> int:
        return self._stream.write(row.removesuffix("\r\n") + "\n")
