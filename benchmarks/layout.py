"""Count the package's modules: how many there are, how long, and which know a file format.

    python benchmarks/layout.py                         # the working tree
    python benchmarks/layout.py 16794e9 18497f1 HEAD    # commits side by side

A module is small where it has fewer than 70 lines. Importers are modules of the package.
A format's modules are those that name what only its files hold: the import `csv`, the key "keypoints" of COCO, the line
"n_points" of .pts.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import statistics
import subprocess
import sys
import tarfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = "src/efficientfan/"
SMALL = 70


@dataclass(frozen=True)
class Module:
    """A file of the package: its path, its number of lines and its syntax."""

    path: str
    lines: int
    tree: ast.Module

    @property
    def name(self) -> str:
        """As it is imported."""
        parts = self.path.removeprefix("src/").removesuffix(".py").split("/")
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def files_of(revision: str | None) -> Iterator[tuple[str, str]]:
    """Path and text of each Python file below src/ and tests/, of a commit or of the working tree."""
    if revision is None:
        for path in sorted(path for folder in ("src", "tests") for path in (ROOT / folder).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
        return
    archive = subprocess.run(
        ["git", "archive", revision, "src", "tests"], cwd=ROOT, capture_output=True, check=False
    )
    if archive.returncode:
        sys.exit(archive.stderr.decode().strip())
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        for member in tar:
            file = tar.extractfile(member) if member.name.endswith(".py") else None
            if file is not None:
                yield member.name, file.read().decode()


def imports(module: Module, names: frozenset[str]) -> set[str]:
    """The modules of the package that a module imports."""
    found = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= inner & names
            if inner - names:
                found.add(node.module)
    return found & names


def texts(module: Module) -> list[str]:
    """The string constants of a module that are no documentation."""
    documentation = {id(node.value) for node in ast.walk(module.tree) if isinstance(node, ast.Expr)}
    constants = (node for node in ast.walk(module.tree) if isinstance(node, ast.Constant))
    return [node.value for node in constants if isinstance(node.value, str) and id(node) not in documentation]


def count(revision: str | None) -> Mapping[str, str]:
    """What is counted -> its number."""
    files = dict(files_of(revision))
    modules = [
        Module(path, len(text.splitlines()), ast.parse(text))
        for path, text in files.items()
        if path.startswith(PACKAGE)
    ]
    names = frozenset(module.name for module in modules)
    importers: dict[str, set[str]] = defaultdict(set)
    for module in modules:
        for name in imports(module, names):
            importers[name].add(module.name)
    lines = [module.lines for module in modules]
    single = [module for module in modules if len(importers[module.name]) == 1]
    tests = sum(len(text.splitlines()) for path, text in files.items() if path.startswith("tests/"))
    return {
        "modules": f"{len(modules)}",
        "lines": f"{sum(lines):,}",
        "median, largest": f"{statistics.median(lines):.0f}, {max(lines)}",
        "with one importer": f"{len(single)}",
        "small ones with one importer": f"{sum(module.lines < SMALL for module in single)}",
        "CSV, COCO, .pts: modules that know the format": ", ".join(
            str(number)
            for number in (
                sum(_imports_csv(module) for module in modules),
                sum("keypoints" in texts(module) for module in modules),
                sum(any(re.search(r"\bn_points\b", text) for text in texts(module)) for module in modules),
            )
        ),
        "lines of tests per line of source": f"{tests / sum(lines):.2f}",
    }


def _imports_csv(module: Module) -> bool:
    return any(
        isinstance(node, ast.Import) and "csv" in {alias.name for alias in node.names}
        for node in ast.walk(module.tree)
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("revisions", nargs="*", metavar="COMMIT", help="commits in place of the working tree")
    revisions = parser.parse_args().revisions or [None]
    columns = [count(revision) for revision in revisions]
    print("| |", " | ".join(revision or "working tree" for revision in revisions), "|")
    print("|---" * (len(columns) + 1) + "|")
    for row in columns[0]:
        print(f"| {row} |", " | ".join(column[row] for column in columns), "|")


if __name__ == "__main__":
    main()
