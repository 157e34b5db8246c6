"""Settings of OpenCV and Pillow that belong to the whole process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2
from PIL import Image

__all__ = ["process_settings"]


@contextmanager
def process_settings(workers: int, each: int) -> Iterator[None]:
    """Set them for as long as a block lasts.

    For commands, not for a library's callers. Pillow keeps the memory of photos it has decoded for the next ones, for
    fresh memory can cost more than the decoding.

    Args:
        workers: photos that are worked on at once; each may keep 48 MB.
        each: threads that OpenCV may use in one call.
    """
    memory: Any = Image.core  # type: ignore[attr-defined]  # documented by Pillow, but left out of its types
    threads, blocks = cv2.getNumThreads(), memory.get_blocks_max()
    cv2.setNumThreads(each)
    memory.set_blocks_max(max(blocks, 3 * workers))  # of 16 MB
    try:
        yield
    finally:
        cv2.setNumThreads(threads)
        memory.set_blocks_max(blocks)
