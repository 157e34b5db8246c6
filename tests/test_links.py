"""The start page leads to every page, and the repository's own links lead to files."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PIECES = {"head.md"}
"""Beginnings of generated pages, whose links count from `docs/`."""

PAGES = [
    path
    for pattern in ("*.md", "docs/**/*.md", "benchmarks/**/*.md", "examples/**/*.md", "teachers/*.md")
    for path in sorted(ROOT.glob(pattern))
    if path.name not in PIECES and "node_modules" not in path.parts
]


def linked_files(page: Path) -> set[Path]:
    """Files that a page links to or shows, without those of code blocks and of other sites."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    targets = re.findall(r"\]\(([^)\s#]+)[^)]*\)", text)
    return {(page.parent / target).resolve() for target in targets if "://" not in target}


def test_the_start_page_leads_to_every_page() -> None:
    found = linked_files(DOCS / "index.md") | {DOCS / "index.md"}
    assert [str(path.relative_to(DOCS)) for path in sorted(DOCS.rglob("*.md")) if path not in found] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page: Path) -> None:
    assert [str(path) for path in sorted(linked_files(page)) if not path.exists()] == []


def test_what_is_defended_is_held_by_tests_that_are_there() -> None:
    text = (DOCS / "SECURITY.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:tests|benchmarks|scripts)/[\w/.-]+)", text)
    assert len(named) > 20
    assert [name for name in named if not (ROOT / name).exists()] == []
    files = re.findall(r"`(tests/[\w/.-]+\.py)`: ((?:`test_\w+`(?:, )?)+)", text)
    tests = [(ROOT / file, test) for file, listed in files for test in re.findall(r"test_\w+", listed)]
    assert len(tests) == len(re.findall(r"`test_\w+`", text)) > 50
    assert [test for file, test in tests if f"def {test}(" not in file.read_text(encoding="utf-8")] == []
