"""The terms of a model's weights, in short."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from efficientfan.errors import printable

if TYPE_CHECKING:
    from rich.console import Console

    from efficientfan.spec import DetectorSpec, ModelSpec

__all__ = ["print_terms", "terms_in_short"]


def terms_in_short(license: str) -> str:
    """`research only` where the terms say so; else the terms as they are."""
    return "research only" if "research only" in license.lower() else license or "not stated"


def print_terms(console: Console, *specs: ModelSpec | DetectorSpec | None) -> None:
    """One line that names the models for research only, unless `EFFICIENTFAN_QUIET` is set.

    Args:
        console: writes to standard error.
        specs: of the models in use; None for a detector that has none.
    """
    names = [
        printable(spec.name) for spec in specs if spec and terms_in_short(spec.license) == "research only"
    ]
    if names and not os.environ.get("EFFICIENTFAN_QUIET"):
        console.print(
            f"weights for research only: {', '.join(names)} (efficientfan models show {names[0]}); "
            "EFFICIENTFAN_QUIET=1 hides this line"
        )
