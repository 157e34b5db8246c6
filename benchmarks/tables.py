"""Result tables as CSV files, and the result tables inside Markdown pages."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from efficientfan.files import read_text, write_text

Row = Mapping[str, object]


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file, as text; none where the file does not exist."""
    return list(csv.DictReader(read_text(path).splitlines())) if path.is_file() else []


def add_rows(path: Path, rows: Sequence[Row], key: Sequence[str]) -> None:
    """Add rows to a CSV file; a row with the same `key` columns as an older one replaces it. Sorted by `key`."""
    found = {tuple(row[name] for name in key): row for row in read_rows(path)}
    for row in rows:
        cells = {name: cell(value) for name, value in row.items()}
        found[tuple(cells[name] for name in key)] = cells
    write_rows(path, [found[each] for each in sorted(found)])


def write_rows(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """Write rows of the same columns."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def cell(value: object) -> str:
    """Text of a value: six significant digits, `yes` or nothing for a truth value, nothing for None."""
    if value is None or value is False:
        return ""
    if value is True:
        return "yes"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table."""
    lines = [list(header), ["---"] * len(header), *map(list, rows)]
    return [f"| {' | '.join(line)} |".replace("| --- ", "|---").replace("--- |", "---|") for line in lines]


def measured(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """As `markdown`; a sentence where there is no row yet."""
    found = list(rows)
    return markdown(header, found) if found else ["Not measured yet."]


MARKED = re.compile(r"<!-- table: (\S+)(.*?) -->\n.*?<!-- end of table -->", re.DOTALL)


def fill(text: str, tables: Mapping[str, Callable[..., list[str]]]) -> str:
    """A page with each marked table written anew.

    `<!-- table: NAME ARGUMENT... -->` and `<!-- end of table -->` enclose what `tables[NAME](ARGUMENT...)` returns.
    """

    def written(match: re.Match[str]) -> str:
        name, arguments = match.group(1), match.group(2)
        lines = tables[name](*arguments.split())
        return "\n".join([f"<!-- table: {name}{arguments} -->", "", *lines, "", "<!-- end of table -->"])

    return MARKED.sub(written, text)
