"""The formats of shards: parquet and JSON Lines. A shard's photos are in order, each with all of its rows."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from efficientfan.errors import unknown
from efficientfan.formats.parquet import ParquetWriter, arrow_schema, table_of, tables_metadata
from efficientfan.formats.records import FailedPhoto, JsonLinesWriter, RecordWriter, Result
from efficientfan.schema import LandmarkSchema

__all__ = ["SHARD_FORMATS", "ShardFormat", "shard_format"]

SHARD_FORMATS = ("parquet", "jsonl")
"""Names of the formats, each also the suffix of its files."""


class ShardFormat(Protocol):
    """How the results of some photos become a file."""

    name: str

    def encode(self, results: Sequence[Result]) -> bytes:
        """A whole file of these photos."""

    def replace(self, shard: Path, results: Mapping[int, Result]) -> bytes:
        """A whole file of the photos of `shard`, some of them with other results.

        Args:
            shard: the file as it is.
            results: position of a photo in it, from 0 -> its new result.
        """


def shard_format(
    name: str, schema: LandmarkSchema, run: Mapping[str, Any], *, photos_per_shard: int
) -> ShardFormat:
    """A format by its name.

    Args:
        name: of `SHARD_FORMATS`.
        schema: of the faces.
        run: what the run is made with, for the files' metadata.
        photos_per_shard: most photos of a file.

    Raises:
        InputError: an unknown name.
        MissingDependencyError: pyarrow is not installed, which "parquet" needs.
    """
    if name == "parquet":
        return ParquetShards(tables_metadata(schema, run), photos_per_shard)
    if name == "jsonl":
        return JsonLinesShards()
    raise unknown("format of shards", name, SHARD_FORMATS)


class ParquetShards:
    """Shards as `formats.parquet` describes, one row group each.

    Args:
        metadata: of `tables_metadata`.
        group: most photos of a file.
    """

    name = "parquet"

    def __init__(self, metadata: Mapping[bytes, bytes], group: int) -> None:
        arrow_schema()  # a missing pyarrow is said before any work
        self._metadata = metadata
        self._group = group

    def encode(self, results: Sequence[Result]) -> bytes:
        """A whole file of these photos."""
        stream = io.BytesIO()
        _write(ParquetWriter(stream, self._metadata, group=self._group), results)
        return stream.getvalue()

    def replace(self, shard: Path, results: Mapping[int, Result]) -> bytes:
        """A whole file with some results replaced; the other rows stay bit for bit."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pq.read_table(shard, partitioning=None)
        starts = [row for row, face in enumerate(table["face"].to_pylist()) if not face]  # null, or face 0
        ends = [*starts[1:], len(table)]
        parts = [
            table_of([results[photo]]) if photo in results else table.slice(start, end - start)
            for photo, (start, end) in enumerate(zip(starts, ends, strict=True))
        ]
        whole = pa.concat_tables([part.replace_schema_metadata(None) for part in parts])
        stream = io.BytesIO()
        writer = ParquetWriter(stream, self._metadata, group=self._group)
        writer.add_table(whole)
        writer.finish()
        return stream.getvalue()


class JsonLinesShards:
    """Shards of one line per photo; a photo that could not be used has `error` and no faces."""

    name = "jsonl"

    def encode(self, results: Sequence[Result]) -> bytes:
        """A whole file of these photos."""
        stream = io.StringIO()
        _write(JsonLinesWriter(stream, failures=True), results)
        return stream.getvalue().encode()

    def replace(self, shard: Path, results: Mapping[int, Result]) -> bytes:
        """A whole file with some lines replaced."""
        lines = shard.read_bytes().splitlines(keepends=True)
        for photo, result in results.items():
            lines[photo] = self.encode([result])
        return b"".join(lines)


def _write(writer: RecordWriter, results: Sequence[Result]) -> None:
    for result in results:
        if isinstance(result, FailedPhoto):
            writer.fail(result)
        else:
            writer.add(result)
    writer.finish()
