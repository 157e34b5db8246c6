"""The papers' rows, read from `published.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

__all__ = ["published_rows"]

_FILE = Path(__file__).with_name("published.yaml")


@cache
def published_rows() -> Mapping[str, Mapping[str, Any]]:
    """Name -> what the recipe file of that row would say: "wflw/mobilefan_fa_fs" -> base, about, teacher, published."""
    # All values as strings: 5.70 keeps its 0.
    text = yaml.load(_FILE.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    found: dict[str, Mapping[str, Any]] = {}
    for name, row in text["rows"].items():
        student, terms = row["student"], row.get("terms")
        about = text["students"][student] + (f" with {text['terms'][terms]}" if terms else "")
        for dataset, published in row["published"].items():
            parts = [student, terms, dataset] if terms else [student, dataset]
            found[f"{dataset}/{name}"] = {
                "base": [f"parts/{part}" for part in parts],
                "about": f"{about}, on {text['datasets'][dataset]}.",
                "teacher": f"{dataset}/{row['teacher']}" if "teacher" in row else "",
                "published": published,
                "trained": dataset in row.get("trained", ()),
            }
    return found
