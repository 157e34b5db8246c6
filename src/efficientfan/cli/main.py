"""`efficientfan`: the command line; errors become one line on standard error and exit code 2."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType
from typing import Annotated

import typer

from efficientfan.cli.batch import batch_command
from efficientfan.cli.benchmark import benchmark_command
from efficientfan.cli.blur import blur_command
from efficientfan.cli.compare import compare_command
from efficientfan.cli.crop import crop_command
from efficientfan.cli.data import data_app
from efficientfan.cli.doctor import doctor_command
from efficientfan.cli.evaluate import evaluate_command
from efficientfan.cli.evaluate_detector import evaluate_detector_command
from efficientfan.cli.evaluate_video import evaluate_video_command
from efficientfan.cli.export import export_command
from efficientfan.cli.models import models_app
from efficientfan.cli.page import page_command
from efficientfan.cli.predict import predict_command
from efficientfan.cli.preview import preview_command
from efficientfan.cli.quantize import quantize_command
from efficientfan.cli.recipes import recipes_app
from efficientfan.cli.review import review_command, review_import_command
from efficientfan.cli.schemas import schemas_app
from efficientfan.cli.serve import serve_command
from efficientfan.cli.train import train_command
from efficientfan.errors import EfficientFanError, Interrupted, printable

__all__ = ["app", "main"]

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        from efficientfan.version import __version__

        typer.echo(f"efficientfan {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Facial landmarks: predict, evaluate, train, export."""


app.command("predict")(predict_command)
app.command("batch")(batch_command)
app.command("crop")(crop_command)
app.command("blur")(blur_command)
app.command("page")(page_command)
app.command("serve")(serve_command)
app.command("doctor")(doctor_command)
app.add_typer(models_app, name="models")
app.add_typer(schemas_app, name="schemas")
app.add_typer(data_app, name="data")
data_app.command("preview")(preview_command)
app.add_typer(recipes_app, name="recipes")

app.command("evaluate")(evaluate_command)
app.command("evaluate-detector")(evaluate_detector_command)
app.command("evaluate-video")(evaluate_video_command)
app.command("compare")(compare_command)
app.command("review")(review_command)
app.command("review-import")(review_import_command)
app.command("train")(train_command)
app.command("export")(export_command)
app.command("quantize")(quantize_command)
app.command("benchmark")(benchmark_command)


_LINES = "\n\t"


def _terminate(number: int, frame: FrameType | None) -> None:
    """End as after Ctrl-C: temporary files are removed. The exit code is the shells' for a signal."""
    sys.exit(128 + number)


def main() -> None:
    """Entry point. Exit codes: 0 all well, 1 some inputs failed, 2 misuse or unusable input, 130 and 143 stopped."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _terminate)
    try:
        app()
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
