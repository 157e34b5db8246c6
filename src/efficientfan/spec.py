"""What is stored with the weights, so that crop, normalization and license are never guessed.

`ModelSpec` is of landmark networks, `DetectorSpec` of face detectors; `read_spec` reads either.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, ClassVar, Literal, TypeVar

from efficientfan.errors import InputError, check_number
from efficientfan.geometry import BoxCorrection
from efficientfan.schema import LandmarkSchema

__all__ = ["IMAGENET_MEAN", "IMAGENET_STD", "METADATA_KEY", "DetectorSpec", "ModelSpec", "read_spec"]

METADATA_KEY = "efficientfan.spec"
"""Name of the metadata entry that holds the spec, in safetensors and in ONNX files."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

FORMAT_VERSION = 1

_LARGEST_CROP, _LARGEST_PHOTO = 4096, 65_536
"""Pixels; a model that asks for crops or copies of photos with longer sides is damaged, or meant to fill the memory."""

SpecT = TypeVar("SpecT", bound="_Spec")

_KINDS: Mapping[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("name", "license", "training_data", "code_version"), str),
    **dict.fromkeys(("network", "decoder", "metrics", "provenance"), dict),
    **dict.fromkeys(("input_size", "stride", "multiple"), int),
    **dict.fromkeys(("crop_margin", "score_threshold", "mirror_offset"), (int, float)),
    "long_sides": list,
}
"""What the keys of a written spec hold."""


@dataclass(frozen=True)
class _Spec:
    """What travels with the weights of any model.

    Attributes:
        task: what the model is for.
        name: what people call it, such as "mobilefan".
        network: arguments of the function that builds it; `network["name"]` is the named network.
        mean, std: of RGB values scaled to [0, 1].
        license: terms of the weights, apart from the code's.
        training_data: what the weights were trained on.
        metrics: measured figures by name, such as {"300w_common/nme_interocular": 0.041}.
        provenance: recipe, seed, epochs, dates, whatever lets somebody repeat it.
        code_version: version of this package that wrote the file.
    """

    task: ClassVar[str]

    name: str
    network: Mapping[str, Any]
    _: KW_ONLY
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    license: str = ""
    training_data: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    code_version: str = ""

    def __post_init__(self) -> None:
        if len(self.mean) != 3 or len(self.std) != 3 or not min(self.std) > 0:
            raise InputError(f"model {self.name!r}: mean and std have three values each, std > 0")
        if not all(map(math.isfinite, (*self.mean, *self.std))):
            raise InputError(f"model {self.name!r}: mean and std are finite, not {self.mean} and {self.std}")

    @property
    def licence(self) -> str:
        """The former name of `license`."""
        warnings.warn("spec.licence is now spec.license", DeprecationWarning, stacklevel=2)
        return self.license

    def renewed(self: SpecT, **fields: Any) -> SpecT:
        """Itself with other values in the fields that are given and not None."""
        return dataclasses.replace(self, **{key: each for key, each in fields.items() if each is not None})

    def to_json(self) -> str:
        """The spec as one line of JSON; `from_json` reads it."""
        table = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return json.dumps({"format": FORMAT_VERSION, "task": self.task, **table}, default=_plain)

    @classmethod
    def from_json(cls: type[SpecT], text: str, where: str = "model") -> SpecT:
        """Read what `to_json` wrote, also with the former keys `licence` and `provenance.quantisation`.

        Raises:
            InputError: not JSON, a key missing, unknown or of a wrong type, another task, or a newer format.
        """
        with _damage(where):
            return cls(**_read(text, cls.task))


@dataclass(frozen=True)
class ModelSpec(_Spec):
    """Everything about a landmark model but its weights; what every spec has is in `_Spec`.

    Attributes:
        schema: what the K output landmarks are.
        input_size: side of the square crop in pixels.
        stride: crop pixels per heatmap cell.
        crop_margin: the crop's side is the box's longer side times (1 + crop_margin).
        decoder: arguments of `efficientfan.codec.build_decoder`; `decoder["name"]` chooses it.
        score_threshold: faces that score below it are dropped when a detector proposed them.
        mirror_offset: how far its landmarks lie to the right of the photo, as its training labels do
            (`efficientfan.data.mirror.MirrorOffset`), in longer sides of the box.
        crop_box: from the tight box of the landmarks to the box that a crop is cut around, where the model was trained
            in boxes of the data set's own; None: crops are cut around the tight box.
    """

    task: ClassVar[Literal["landmarks"]] = "landmarks"

    schema: LandmarkSchema
    input_size: int
    stride: int
    crop_margin: float
    decoder: Mapping[str, Any]
    score_threshold: float = field(default=0.0, kw_only=True)
    mirror_offset: float = field(default=0.0, kw_only=True)
    crop_box: BoxCorrection | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.input_size < 1 or self.stride < 1 or self.input_size % self.stride:
            raise InputError(
                f"model {self.name!r}: input size {self.input_size} must be a positive multiple of the "
                f"stride {self.stride}"
            )
        if self.input_size > _LARGEST_CROP:
            raise InputError(f"model {self.name!r}: input size {self.input_size} is above {_LARGEST_CROP}")
        if not -1 < self.crop_margin <= 10:
            raise InputError(
                f"model {self.name!r}: crop_margin must be > -1 and at most 10, not {self.crop_margin}"
            )
        check_number(f"model {self.name!r}: score_threshold", self.score_threshold, 0, 1)
        check_number(f"model {self.name!r}: mirror_offset", self.mirror_offset, -1, 1)

    def crop_boxes(self, tight: Any) -> Any:
        """(N, 4) xyxy boxes that crops are cut around, of faces whose landmarks have these tight boxes (N, 4)."""
        return tight if self.crop_box is None else self.crop_box.apply(tight)

    def join_mirrored(self, points: Any, mirrored: Any) -> Any:
        """Mean of the points of crops and of their mirrored copies, with the lean that either has by itself.

        Args:
            points: (N, K, 2) crop pixels, an array or tensor.
            mirrored: the same of the mirrored crops, mirrored back and swapped (`LandmarkSchema.flip`): they lean left.
        """
        lean = self.mirror_offset * self.input_size / (1 + self.crop_margin)
        mean = (points + mirrored) / 2
        mean[..., 0] += lean
        return mean

    @property
    def heatmap_size(self) -> int:
        """Side of the heatmaps in cells."""
        return self.input_size // self.stride

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what the deployed model gives, in their order: `visibility` where its network has that head."""
        return ("points", "scores", "visibility") if self.network.get("visibility") else ("points", "scores")


@dataclass(frozen=True)
class DetectorSpec(_Spec):
    """Everything about a face detector but its weights; what every spec has is in `_Spec`.

    Attributes:
        stride: image pixels per cell.
        multiple: sides of the searched image are multiples of it.
        long_sides: the image is searched in copies reduced to these longer sides.
        score_threshold: detections below it are left out.
    """

    task: ClassVar[Literal["detection"]] = "detection"

    stride: int
    multiple: int
    long_sides: tuple[int, ...]
    score_threshold: float = field(default=0.3, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "long_sides", tuple(self.long_sides))
        if self.stride < 1 or self.multiple < 1 or self.multiple % self.stride:
            raise InputError(
                f"detector {self.name!r}: {self.multiple} is no multiple of stride {self.stride}"
            )
        check_number(f"detector {self.name!r}: score_threshold", self.score_threshold, 0, 1)
        if not self.long_sides or any(
            type(side) is not int or not self.multiple <= side <= _LARGEST_PHOTO for side in self.long_sides
        ):
            raise InputError(
                f"detector {self.name!r}: long_sides are whole numbers, at least {self.multiple} and at most "
                f"{_LARGEST_PHOTO}, not {self.long_sides}"
            )


def read_spec(text: str, where: str = "model") -> ModelSpec | DetectorSpec:
    """Read the spec of either task.

    Raises:
        InputError: as `ModelSpec.from_json`.
    """
    with _damage(where):
        task = dict(json.loads(text)).get("task")
    return (DetectorSpec if task == DetectorSpec.task else ModelSpec).from_json(text, where)


def _read(text: str, task: str) -> dict[str, Any]:
    """A written spec's fields, checked as far as their kinds go."""
    table = dict(json.loads(text))
    version, written_task = table.pop("format", None), table.pop("task", ModelSpec.task)
    if version != FORMAT_VERSION:
        raise InputError(
            f"spec format {version!r}; this version reads {FORMAT_VERSION}: upgrade efficientfan"
        )
    if written_task != task:
        raise InputError(f"it is a model for {written_task}, one for {task} is needed")
    if "licence" in table:
        table.setdefault("license", table.pop("licence"))
    if "schema" in table:
        table["schema"] = LandmarkSchema.from_dict(table["schema"])
    table["mean"], table["std"] = tuple(map(float, table["mean"])), tuple(map(float, table["std"]))
    for key, kind in _KINDS.items():
        if key in table and (isinstance(table[key], bool) or not isinstance(table[key], kind)):
            raise TypeError(f"{key} is {table[key]!r}")
    if table.get("crop_box") is not None:
        (x, y), (width, height) = (map(float, table["crop_box"][key]) for key in ("shift", "scale"))
        table["crop_box"] = BoxCorrection((x, y), (width, height))
    if "quantisation" in (provenance := table.get("provenance", {})):
        provenance.setdefault("quantization", provenance.pop("quantisation"))
    return table


@contextlib.contextmanager
def _damage(where: str) -> Iterator[None]:
    """What a damaged spec raises, as an `InputError` that names the file."""
    try:
        yield
    except RecursionError as error:
        raise InputError(f"{where}: its model spec is nested too deeply") from error
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{where}: its model spec is damaged or of no use here ({error})") from error


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, LandmarkSchema):
        return value.to_dict()
    if isinstance(value, BoxCorrection):
        return dataclasses.asdict(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
