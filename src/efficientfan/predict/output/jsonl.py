"""JSON lines: one object a photo, written as it is found."""

from __future__ import annotations

import json
from typing import TextIO

from efficientfan.predict.output.record import Record

__all__ = ["JsonLinesWriter"]


class JsonLinesWriter:
    """Each record on a line of its own, flushed at once for whoever reads along."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def add(self, record: Record) -> None:
        """Write one line."""
        self._stream.write(json.dumps(record.to_dict(), allow_nan=False) + "\n")
        self._stream.flush()

    def finish(self) -> None:
        """Nothing follows."""
