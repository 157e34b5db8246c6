"""Former spellings of recipe keys: recipes and run folders that have them are still read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from efficientfan.errors import InputError

__all__ = ["FORMER_KEYS", "current_key", "with_current_keys"]

FORMER_KEYS: Mapping[str, str] = {
    "train.optimiser": "train.optimizer",
    "augmentation.colour": "augmentation.color",
    "augmentation.grey": "augmentation.gray",
    "objective.centre": "objective.center",
}
"""Former key -> the same today."""


def current_key(key: str) -> str:
    """A key of `--set` as it is spelled today."""
    return FORMER_KEYS.get(key, key)


def with_current_keys(table: Mapping[str, Any], where: str = "recipe") -> dict[str, Any]:
    """A recipe's table with today's keys.

    Raises:
        InputError: a key stands there in both spellings.
    """
    renamed = dict(table)
    for former, current in FORMER_KEYS.items():
        (section, old), new = former.split("."), current.rpartition(".")[2]
        values = renamed.get(section)
        if isinstance(values, dict) and old in values:
            if new in values:
                raise InputError(
                    f"{where}: says both {former} and {current}; they are the same, keep the latter"
                )
            renamed[section] = {new if key == old else key: value for key, value in values.items()}
    return renamed
