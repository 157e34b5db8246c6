"""What several commands share: options of models and recipes, progress bars, messages, plots that may be missing."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated, Any, TextIO, cast

import typer
from rich.console import Console

from efficientfan.cli.terms import print_terms
from efficientfan.errors import InputError, MissingDependencyError, needs_extra, printable

if TYPE_CHECKING:
    from rich.progress import Progress

    from efficientfan.predict import LandmarkPredictor
    from efficientfan.recipes import AnyRecipe

__all__ = [
    "BackendOption",
    "DeviceOption",
    "MoreSettings",
    "PrecisionOption",
    "RecipeName",
    "Settings",
    "ThreadsOption",
    "UntrustedOption",
    "bars",
    "counted",
    "message_console",
    "plots_where_possible",
    "progress_bar",
    "recipe_of",
    "refuse_options",
    "say_what_is_used",
]

BackendOption = Annotated[
    str | None,
    typer.Option(
        "--backend",
        help="onnxruntime, openvino (extra openvino; faster for int8 files), torch (extra train; "
        ".safetensors checkpoints), or ncnn (extra mobile; .param files).",
        show_default="torch for a checkpoint, ncnn for a .param file, else onnxruntime",
    ),
]
DeviceOption = Annotated[
    str,
    typer.Option(
        "--device",
        help="cpu; cuda or cuda:N (onnxruntime, torch), gpu or gpu:N (openvino), mps (torch); a missing device "
        "is an error.",
    ),
]
PrecisionOption = Annotated[
    str,
    typer.Option(
        "--precision", help="f32, bf16 (openvino, torch: faster, less exact), or auto: the engine's choice."
    ),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option("--threads", min=1, help="Processor threads of the model.", show_default="all cores"),
]
UntrustedOption = Annotated[
    bool,
    typer.Option(
        "--untrusted",
        help="For untrusted photos: decode each in a child process that may take 30 s, and 12 bytes of memory per "
        "pixel of --max-pixels; one that takes more is reported and skipped.",
    ),
]


RecipeName = Annotated[
    str, typer.Argument(help="Name of a packaged recipe (`efficientfan recipes list`) or a .yaml file.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Replace a value of the recipe; further KEY=VALUE may follow."
    ),
]
MoreSettings = Annotated[
    list[str] | None,
    typer.Argument(metavar="KEY=VALUE", show_default=False, help="Further values, as with --set."),
]


def recipe_of(name: str, settings: list[str] | None, more: list[str] | None) -> AnyRecipe:
    """Read and check a recipe with its overrides.

    Raises:
        InputError: no such recipe, or a key or value that a recipe cannot have.
        MissingDependencyError: the train extra is not installed.
    """
    with needs_extra("train", "recipes need"):
        from efficientfan.recipes import load_recipe

        return load_recipe(name, [*(settings or []), *(more or [])])


def counted(count: int, noun: str) -> str:
    """Such as "1 image" and "2 images"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def message_console() -> Console:
    """A console on standard error that prints text unchanged: no colors, no markup, no line breaks."""
    stream = cast("TextIO", _Heedless(sys.stderr))
    return Console(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=True)


class _Heedless:
    """A stream whose writes never fail: results are not lost because a message could not be written.

    Args:
        stream: where to write, such as to a terminal that is gone or a disk that is full; None where it is closed.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream or io.StringIO()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write, if that is possible."""
        with suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, if that is possible."""
        with suppress(OSError, ValueError):
            self._stream.flush()


def say_what_is_used(console: Console, predictor: LandmarkPredictor, detector: str) -> None:
    """Name the model, the engine and the detector, what is to be known of them, and the weights' terms."""
    from efficientfan.predict.backends import engine_in_words, engine_note

    spec = predictor.spec
    engine = engine_in_words(predictor.backend)
    console.print(printable(f"model: {spec.name} ({spec.schema.name}); {engine}; detector: {detector}"))
    if note := engine_note(predictor.backend):
        console.print(f"note: {note}")
    print_terms(console, spec, getattr(predictor.detector, "spec", None))


def bars(console: Console | None = None) -> Progress:
    """Progress bars on standard error, removed at the end; none where standard error is not a terminal.

    Args:
        console: the command's own, so that its messages stand above the bars.
    """
    from rich.progress import Progress

    console = console or message_console()
    return Progress(console=console, transient=True, disable=not console.is_terminal)


@contextmanager
def progress_bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """One bar; the yielded function is called with the number of steps just done."""
    with bars() as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.advance(task, done)


@contextmanager
def plots_where_possible() -> Iterator[None]:
    """A block that draws plots; without matplotlib the block ends, with a message on standard error."""
    try:
        yield
    except MissingDependencyError as error:
        typer.echo(f"no plots: {error}", err=True)


def refuse_options(context: typer.Context, names: Iterable[str], reason: str) -> None:
    """Refuse options that were typed but would change nothing.

    Args:
        context: of the command.
        names: of its parameters.
        reason: what is said of the first of them that was typed.

    Raises:
        InputError: one was typed.
    """
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise InputError(f"--{name.replace('_', '-')} {reason}")
