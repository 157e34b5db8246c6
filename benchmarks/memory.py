"""Memory of processes, on Linux."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["resident_mb"]


def resident_mb(process: int) -> float:
    """Resident memory (RSS) of a process in MB; 0 of one that has ended and was not waited for.

    Raises:
        OSError: no such process.
    """
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
