"""Every Python block of README.md and docs/ runs: those of one page in order, in one namespace and one folder.

The folder holds photo.jpg, holiday/ with two photos, clip.mp4 and model.onnx. A block below a comment
`<!-- needs: MODULE... -->` is left out where one of these modules is not installed.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import cv2
import pytest

from efficientfan.weights import find_model

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(
    r"^(?:<!-- needs: (?P<needs>[^\n]*?) -->\n+)?```python\n(?P<code>.*?)^```", re.DOTALL | re.MULTILINE
)


@dataclass(frozen=True)
class Block:
    """Python code of a page."""

    line: int
    code: str
    needs: tuple[str, ...]


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(text.count("\n", 0, match.start("code")), match["code"], tuple((match["needs"] or "").split()))
        for match in BLOCK.finditer(text)
    ]


PAGES = [page for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))] if blocks_of(page)]


def test_no_python_block_escapes() -> None:
    for page in PAGES:
        assert page.read_text(encoding="utf-8").count("```py") == len(blocks_of(page)), page


def write_clip(path: Path, frame: cv2.typing.MatLike, frames: int) -> None:
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25, (frame.shape[1], frame.shape[0]))
    for _ in range(frames):
        video.write(frame)
    video.release()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    portrait = ROOT / "examples" / "astronaut.jpg"
    (tmp_path / "holiday").mkdir()
    for name in ("photo.jpg", "holiday/first.jpg", "holiday/second.jpg"):
        shutil.copy(portrait, tmp_path / name)
    shutil.copy(find_model("fast"), tmp_path / "model.onnx")
    write_clip(tmp_path / "clip.mp4", cv2.imread(str(portrait)), frames=3)
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "page"}
    for block in blocks_of(page):
        if all(map(find_spec, block.needs)):
            exec(compile("\n" * block.line + block.code, page, "exec"), namespace)
