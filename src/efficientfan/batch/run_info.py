"""What a run is made with: two runs with the same have the same results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from efficientfan.files import sha256_of
from efficientfan.version import __version__

__all__ = ["RunInfo", "WeightsInfo"]


@dataclass(frozen=True)
class WeightsInfo:
    """A model or detector.

    Attributes:
        name: what it is called.
        sha256: of its file, 64 hexadecimal digits; None where it has no file.
    """

    name: str
    sha256: str | None

    @classmethod
    def of_file(cls, name: str, file: str | Path | None) -> WeightsInfo:
        """With the digest of `file`."""
        return cls(name, None if file is None else sha256_of(file))


@dataclass(frozen=True)
class RunInfo:
    """What a run is made with.

    Attributes:
        model: the landmark model.
        detector: what finds the faces, or the file of given boxes.
        options: further options that decide about the results, plain values.
        version: of this package; another one is no other run.
    """

    model: WeightsInfo
    detector: WeightsInfo
    options: Mapping[str, Any] = field(default_factory=dict)
    version: str = __version__

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; the options by name, so that all commands write the same bytes."""
        return {**asdict(self), "options": dict(sorted(self.options.items()))}

    def differences(self, before: Mapping[str, Any]) -> list[str]:
        """What another run's `to_dict` says otherwise, such as "options.min_score: 0.5 before, 0.6 now"."""
        former, now = dict(_leaves(before)), dict(_leaves(self.to_dict()))
        return [
            f"{key}: {former.get(key)} before, {now.get(key)} now"
            for key in sorted(former.keys() | now.keys())
            if key != "version" and former.get(key) != now.get(key)
        ]


def _leaves(table: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value
