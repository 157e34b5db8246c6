"""`efficientfan`: collects the commands and turns our errors into one line and exit code 2."""

from __future__ import annotations

import sys

import typer

from efficientfan.cli.compare import compare_command
from efficientfan.cli.data import data_app
from efficientfan.cli.evaluate import evaluate_command
from efficientfan.cli.schemas import schemas_app
from efficientfan.errors import EfficientFanError

__all__ = ["app", "main"]

app = typer.Typer(
    help="Facial landmarks: predict, evaluate, train, export.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(schemas_app, name="schemas")
app.add_typer(data_app, name="data")

app.command("evaluate")(evaluate_command)
app.command("compare")(compare_command)


def main() -> None:
    """Entry point. Exit codes: 0 all well, 1 some inputs failed, 2 misuse or unusable input."""
    try:
        app()
    except EfficientFanError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)


if __name__ == "__main__":
    main()
