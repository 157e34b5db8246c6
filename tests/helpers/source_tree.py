"""The package's modules and what they import, read from the source: for the tests of the layout."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import efficientfan

SOURCE = Path(efficientfan.__file__).parent


@dataclass(frozen=True)
class Import:
    """`module` takes `names` from `target`, another module of the package, at `line`."""

    module: str
    target: str
    names: tuple[str, ...]
    line: int

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.target}"


@cache
def trees() -> dict[str, ast.Module]:
    """Module name -> syntax tree, for every file of the package."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    return found


@cache
def imports() -> tuple[Import, ...]:
    """Every import of the package within the package, those inside functions too."""
    found = []
    for module, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                targets: list[tuple[str, tuple[str, ...]]] = [(alias.name, ()) for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                targets = _from(node.module, [alias.name for alias in node.names])
            elif isinstance(node, ast.ImportFrom):
                raise AssertionError(f"{module}:{node.lineno}: relative import; write the whole name")
            else:
                continue
            found += [
                Import(module, target, tuple(names), node.lineno)
                for target, names in targets
                if target.split(".")[0] == "efficientfan"
            ]
    return tuple(found)


def _from(module: str, names: list[str]) -> list[tuple[str, tuple[str, ...]]]:
    """`from package import module` reaches for the module, not for a name of the package."""
    inner = [name for name in names if f"{module}.{name}" in trees()]
    outer = tuple(name for name in names if name not in inner)
    return [(f"{module}.{name}", ()) for name in inner] + ([(module, outer)] if outer else [])


def room_of(module: str) -> str:
    """The file or folder of `efficientfan` that a module stands in; "api" is the package itself."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "api"
