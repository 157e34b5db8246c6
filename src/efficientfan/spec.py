"""`ModelSpec`: what travels with the weights, so that nobody guesses a crop, a normalisation or a licence."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from efficientfan.errors import InputError
from efficientfan.schema import LandmarkSchema

__all__ = ["METADATA_KEY", "ModelSpec"]

METADATA_KEY = "efficientfan.spec"
"""Name of the metadata entry that holds the spec, in safetensors and in ONNX files."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

FORMAT_VERSION = 1

_KINDS: Mapping[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("name", "licence", "training_data", "code_version"), str),
    **dict.fromkeys(("network", "decoder", "metrics", "provenance"), dict),
    **dict.fromkeys(("input_size", "stride"), int),
    **dict.fromkeys(("crop_margin", "score_threshold"), (int, float)),
}
"""What the keys of a written spec hold."""


@dataclass(frozen=True)
class ModelSpec:
    """Everything about a model but its weights.

    Attributes:
        name: what people call it, such as "mobilefan".
        network: arguments of `efficientfan.models.build_network`; `network["name"]` is the named network.
        schema: what the K output landmarks are.
        input_size: side of the square crop in pixels.
        stride: crop pixels per heatmap cell.
        crop_margin: the crop's side is the box's longer side times (1 + crop_margin).
        mean, std: of RGB values scaled to [0, 1].
        decoder: arguments of `efficientfan.codec.build_decoder`; `decoder["name"]` chooses it.
        score_threshold: faces that score below it are dropped when a detector proposed them.
        licence: terms of the weights, apart from the code's.
        training_data: what the weights were trained on.
        metrics: measured figures by name, such as {"300w_common/nme_interocular": 0.041}.
        provenance: recipe, seed, epochs, dates, whatever lets somebody repeat it.
        code_version: version of this package that wrote the file.
    """

    name: str
    network: Mapping[str, Any]
    schema: LandmarkSchema
    input_size: int
    stride: int
    crop_margin: float
    decoder: Mapping[str, Any]
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    score_threshold: float = 0.0
    licence: str = ""
    training_data: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    code_version: str = ""

    def __post_init__(self) -> None:
        if self.input_size < 1 or self.stride < 1 or self.input_size % self.stride:
            raise InputError(
                f"model {self.name!r}: input size {self.input_size} must be a positive multiple of the "
                f"stride {self.stride}"
            )
        if self.crop_margin <= -1:
            raise InputError(f"model {self.name!r}: crop_margin must be > -1, not {self.crop_margin}")
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise InputError(f"model {self.name!r}: mean and std have three values each, std > 0")

    @property
    def heatmap_size(self) -> int:
        """Side of the heatmaps in cells."""
        return self.input_size // self.stride

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what the deployed model gives, in their order: `visibility` where its network has that head."""
        return ("points", "scores", "visibility") if self.network.get("visibility") else ("points", "scores")

    def to_json(self) -> str:
        """The spec as one line of JSON; `from_json` reads it."""
        table = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        table["schema"] = self.schema.to_dict()
        return json.dumps({"format": FORMAT_VERSION, **table}, default=_plain)

    @classmethod
    def from_json(cls, text: str, where: str = "model") -> ModelSpec:
        """Read what `to_json` wrote.

        Raises:
            InputError: not JSON, a key missing, unknown or of a wrong type, or a newer format.
        """
        try:
            table = dict(json.loads(text))
            version = table.pop("format", None)
            if version != FORMAT_VERSION:
                raise InputError(
                    f"spec format {version!r}; this version reads {FORMAT_VERSION}: upgrade efficientfan"
                )
            table["schema"] = LandmarkSchema.from_dict(table["schema"])
            table["mean"], table["std"] = tuple(map(float, table["mean"])), tuple(map(float, table["std"]))
            for key, kind in _KINDS.items():
                if key in table and (isinstance(table[key], bool) or not isinstance(table[key], kind)):
                    raise TypeError(f"{key} is {table[key]!r}")
            return cls(**table)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{where}: its model spec is damaged ({error})") from error


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
