"""What commands show besides their results: messages and moving bars on standard error, and why a plot is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import Progress

from efficientfan.errors import MissingDependencyError

__all__ = ["bars", "message_console", "plots_where_possible", "progress_bar"]


def message_console() -> Console:
    """A console on standard error that prints texts as they are: no colours, no markup, no line breaks."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)


def bars(console: Console | None = None) -> Progress:
    """A context of progress bars on standard error that go when they are done; none where nobody watches.

    Args:
        console: the command's own, so that its messages stand above the bars.
    """
    console = console or message_console()
    return Progress(console=console, transient=True, disable=not console.is_terminal)


@contextmanager
def progress_bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """One bar; what it yields is called with the number of things just done."""
    with bars() as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.advance(task, done)


@contextmanager
def plots_where_possible() -> Iterator[None]:
    """A block that draws plots; where matplotlib is missing it ends there, and standard error says so."""
    try:
        yield
    except MissingDependencyError as error:
        typer.echo(f"no plots: {error}", err=True)
