"""`efficientfan compare`: compare runs of `efficientfan evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from efficientfan.cli.options import plots_where_possible

__all__ = ["compare_command"]


def compare_command(
    results: Annotated[
        list[Path],
        typer.Argument(
            help="Two or more results.json files, measured on the same faces; the first is the reference."
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="Folder for compare.txt and ced.png.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap intervals.", min=0)] = 0,
) -> None:
    """Compare runs in one table and one plot of error curves, with paired bootstrap intervals of the differences.

    Example: efficientfan compare runs/teacher/results.json runs/student/results.json --out runs/compared
    """
    from efficientfan.evaluation import Results, comparison_table
    from efficientfan.evaluation.landmarks.compare import unique_labels

    runs = [Results.load(path) for path in results]
    table = comparison_table(runs, seed=seed)
    typer.echo(table)
    if out is not None:
        from efficientfan.evaluation.landmarks.report import plot_ced
        from efficientfan.files import write_text

        write_text(out / "compare.txt", table + "\n")
        curves = {label: run.errors for label, run in zip(unique_labels(runs), runs, strict=True)}
        with plots_where_possible():
            plot_ced(out / "ced.png", curves, runs[0].settings["normalizer"])
        typer.echo(f"written to {out}", err=True)
