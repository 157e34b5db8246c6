"""`efficientfan`: the command line; errors become one line on standard error and exit code 2."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Mapping
from importlib import import_module
from types import FrameType
from typing import Annotated

import typer

from efficientfan.cli.starting import starting
from efficientfan.errors import EfficientFanError, Interrupted, printable

__all__ = ["COMMANDS", "command_line", "main"]

COMMANDS: Mapping[str, str] = {
    "predict": "predict.predict_command",
    "batch": "batch.batch_command",
    "crop": "crop.crop_command",
    "blur": "blur.blur_command",
    "page": "page.page_command",
    "serve": "serve.serve_command",
    "doctor": "doctor.doctor_command",
    "models": "models.models_app",
    "schemas": "schemas.schemas_app",
    "data": "data.data_app",
    "recipes": "recipes.recipes_app",
    "evaluate": "evaluate.evaluate_command",
    "evaluate-detector": "evaluate_detector.evaluate_detector_command",
    "evaluate-video": "evaluate_video.evaluate_video_command",
    "compare": "compare.compare_command",
    "review": "review.review_command",
    "review-import": "review.review_import_command",
    "train": "train.train_command",
    "export": "export.export_command",
    "quantize": "quantize.quantize_command",
    "benchmark": "benchmark.benchmark_command",
}
"""Name -> module of this folder, and the function or group of commands in it."""


def command_line(only: str | None = None) -> typer.Typer:
    """The command line.

    Args:
        only: the command to have in it, one of `COMMANDS`; None has all. Typer reads the options of every command
            before it runs one, which takes longer than to find a face.
    """
    app = typer.Typer(
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    for name in COMMANDS if only is None else [only]:
        module, attribute = COMMANDS[name].split(".")
        found = getattr(import_module(f"efficientfan.cli.{module}"), attribute)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name)
        else:
            app.command(name)(found)
    return app


def _print_version(asked: bool) -> None:
    if asked:
        from efficientfan.version import __version__

        typer.echo(f"efficientfan {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Facial landmarks: predict, evaluate, train, export."""


_LINES = "\n\t"


def _terminate(number: int, frame: FrameType | None) -> None:
    """End as after Ctrl-C: temporary files are removed. The exit code is the shells' for a signal."""
    sys.exit(128 + number)


def main() -> None:
    """Entry point. Exit codes: 0 all well, 1 some inputs failed, 2 misuse or unusable input, 130 and 143 stopped."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _terminate)
    asked = sys.argv[1] if len(sys.argv) > 1 else None
    try:
        with starting():
            command = command_line(asked if asked in COMMANDS else None)
        command()
    except Interrupted as stop:
        print(printable(str(stop)), file=sys.stderr)
        sys.exit(128 + stop.number)
    except EfficientFanError as error:
        print(f"error: {printable(str(error), keep=_LINES)}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:  # a full disk, a file that was taken away meanwhile
        where = f"{error.filename}: " if error.filename else ""
        print(f"error: {where}{error.strerror or error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
