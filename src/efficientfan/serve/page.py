"""What a browser gets at `/`: the built page with its models, or a text that says how to build it."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable
from functools import partial
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse, PlainTextResponse, Response

from efficientfan.page import HEADERS, built_page, page_files

__all__ = ["add_page"]

_TEXT = """efficientfan: facial landmarks of photos

POST /v1/faces    a photo in, its faces out: curl --data-binary @photo.jpg -H 'Content-Type: image/jpeg' ...
/openapi.json     all routes, with examples

This installation carries no browser page: run scripts/page in a clone of the project, or install a released wheel.
"""


def add_page(app: FastAPI, built: Path | None = None) -> None:
    """Serve the page at `/`, a route per file; a text where there is no page.

    Args:
        app: the application.
        built: folder that `scripts/page` has built; None takes the one that this installation carries, if it does.

    Raises:
        InputError: `built` holds no page.
    """
    if built is None and built_page() is None:
        _add(app, "", lambda: PlainTextResponse(_TEXT))
        return
    for name, content in page_files(built).items():
        answer = partial(_file, content, mimetypes.guess_type(name)[0] or "application/octet-stream")
        _add(app, name, answer)
        if name == "index.html":
            _add(app, "", answer)


def _file(content: Path | bytes, kind: str) -> Response:
    if isinstance(content, Path):
        return FileResponse(content, headers=HEADERS, media_type=kind)
    return Response(content, headers=dict(HEADERS), media_type=kind)


def _add(app: FastAPI, name: str, answer: Callable[[], Response]) -> None:
    @app.get(f"/{name}", include_in_schema=False)
    def file() -> Response:
        return answer()
