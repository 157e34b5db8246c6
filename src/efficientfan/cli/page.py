"""`efficientfan page`: the page that finds landmarks in a browser, as static files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["page_command"]


def page_command(
    out: Annotated[Path, typer.Argument(help="Folder for the page; any web server can serve it.")],
) -> None:
    """Write the page that finds faces and landmarks in a browser, with its models.

    All of it runs in the browser; no photo is uploaded. For WebAssembly with threads, the server sends the headers
    Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp.

    Examples:

        efficientfan page site

        python -m http.server --directory site
    """
    from efficientfan.page import write_page

    size = write_page(out)
    typer.echo(f"{out}: {size / 1e6:.1f} MB; open it from a web server, not as a file", err=True)
