"""One JSON list of the same objects as the JSON lines, one a row."""

from __future__ import annotations

import json
from typing import TextIO

from efficientfan.predict.output.record import Record

__all__ = ["JsonListWriter"]


class JsonListWriter:
    """Opens the list with the first record and closes it at the end; nothing is collected."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._separator = "[\n"

    def add(self, record: Record) -> None:
        """Write one row."""
        self._stream.write(self._separator + json.dumps(record.to_dict(), allow_nan=False))
        self._separator = ",\n"

    def finish(self) -> None:
        """Close the list."""
        self._stream.write("[]\n" if self._separator == "[\n" else "\n]\n")
