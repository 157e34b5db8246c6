"""What a browser gets at `/`: the built page, or a text that says how to build it."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import PlainTextResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from efficientfan.errors import InputError

__all__ = ["add_page"]

_TEXT = """efficientfan: facial landmarks of photos

POST /v1/faces    a photo in, its faces out: curl --data-binary @photo.jpg -H 'Content-Type: image/jpeg' ...
/openapi.json     all routes, with examples

The browser page is not built here. With a built one: efficientfan serve --page FOLDER
"""

_ISOLATED = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}
"""Without these headers a browser gives WebAssembly no threads."""


class _Page(StaticFiles):
    """The files of the page."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """A file, with the headers that its threads need."""
        response = await super().get_response(path, scope)
        response.headers.update(_ISOLATED)
        return response


def add_page(app: FastAPI, folder: Path | None) -> None:
    """Serve the built page at `/`; last of all routes, since it takes every path.

    Args:
        app: the application.
        folder: of the built page, with an index.html; None serves a text.

    Raises:
        InputError: the folder has no index.html.
    """
    if folder is not None:
        if not (folder / "index.html").is_file():
            raise InputError(f"{folder}: has no index.html; a built page has one")
        app.mount("/", _Page(directory=folder, html=True), name="page")
        return

    @app.get("/", include_in_schema=False)
    def text() -> Response:
        return PlainTextResponse(_TEXT)
