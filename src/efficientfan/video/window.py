"""A window that shows frames as they come, by Tk, which comes with Python."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientfan.errors import InputError, MissingDependencyError

__all__ = ["Window", "open_window"]


class Window:
    """Shows one frame after the other; made by `open_window`.

    Attributes:
        closed: whether the user has closed it, by its button, Escape or q.
    """

    def __init__(self, root: Any, picture: Any, canvas: Any) -> None:
        self.closed = False
        self._root, self._picture, self._canvas = root, picture, canvas
        root.protocol("WM_DELETE_WINDOW", self._close)
        for key in ("<Escape>", "q"):
            root.bind(key, self._close)

    def show(self, image: NDArray[np.uint8]) -> None:
        """Show an H x W x 3 uint8 RGB image, at its own size, in place of the last; nothing once it is closed."""
        height, width = image.shape[:2]
        self._picture.configure(data=b"P6 %d %d 255 " % (width, height) + image.tobytes(), format="ppm")
        self._canvas.configure(width=width, height=height)
        self._root.update()

    def _close(self, *_: object) -> None:
        self.closed = True


@contextmanager
def open_window(title: str) -> Iterator[Window]:
    """A window on the screen, for as long as a block lasts.

    Raises:
        MissingDependencyError: this Python came without Tk.
        InputError: there is no screen.
    """
    try:
        import tkinter
    except ImportError as error:
        raise MissingDependencyError(
            "a window needs Tk, which this Python lacks (Debian: apt install python3-tk); or write the drawn video "
            "with --draw"
        ) from error
    try:
        root = tkinter.Tk()
    except tkinter.TclError as error:
        raise InputError(
            f"no window can be opened here ({error}); write the drawn video with --draw"
        ) from error
    try:
        root.title(title)
        picture = tkinter.PhotoImage(master=root)
        canvas = tkinter.Label(root, image=picture, borderwidth=0)
        canvas.pack()
        yield Window(root, picture, canvas)
    finally:
        root.destroy()
