"""`efficientfan doctor`: what is installed, and whether it works."""

from __future__ import annotations

import typer

__all__ = ["doctor_command"]


def doctor_command() -> None:
    """Print versions, providers, cores, detectors and models, and run the default model once.

    The exit code is 1 if something that should work does not.

    Example: efficientfan doctor
    """
    from efficientfan.predict.doctor import examine

    healthy = True
    for finding in examine():
        healthy &= finding.good
        typer.echo(f"{'ok ' if finding.good else 'BAD'} {finding.name:<20}{finding.text}")
    if not healthy:
        raise typer.Exit(1)
