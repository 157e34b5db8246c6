"""Every file of the page by its path, and the folder that they make."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from efficientfan.errors import InputError
from efficientfan.files import write_bytes
from efficientfan.page.catalog import page_catalog

__all__ = ["HEADERS", "built_page", "page_files", "write_page"]

HEADERS: Mapping[str, str] = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}
"""What a server should send with every file of the page, so that browsers let WebAssembly use threads."""

_BUILT = Path(__file__).parent / "built"


def built_page() -> Path | None:
    """The folder of the built page that this installation carries, without the models; None if it carries none."""
    return _BUILT if (_BUILT / "index.html").is_file() else None


def page_files(built: Path | None = None) -> dict[str, Path | bytes]:
    """What a server answers with: path below the page's address -> file on the disk, or content.

    Args:
        built: folder that `scripts/page` has built; None takes the one that this installation carries.

    Raises:
        InputError: there is no built page.
    """
    folder = _BUILT if built is None else built
    if not (folder / "index.html").is_file():
        raise InputError(
            f"{folder}: holds no built page; run scripts/page in a clone of the project (it needs Node.js 20.19 or "
            "newer with npm), or install a released wheel, which carries the page"
        )
    catalog, models = page_catalog()
    return {
        **{path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()},
        **models,
        "models.json": json.dumps(catalog, allow_nan=False).encode(),
    }


def write_page(out: str | Path, built: Path | None = None) -> int:
    """Write the page and its models to a folder that any web server can serve.

    Args:
        out: the folder; it is made, or holds an earlier page, whose files that are no longer needed stay.
        built: see `page_files`.

    Returns:
        Bytes that were written.

    Raises:
        InputError: there is no built page, or `out` cannot be written to.
    """
    files = page_files(built)
    # The page itself last: what it refers to is there when it is.
    for name in sorted(files, key=lambda name: name.endswith((".html", "service-worker.js"))):
        content = files[name]
        write_bytes(Path(out) / name, content if isinstance(content, bytes) else content.read_bytes())
    return sum(len(each) if isinstance(each, bytes) else each.stat().st_size for each in files.values())
