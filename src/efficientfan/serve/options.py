"""The options of a request: fields of a form, or query parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, Json, ValidationError

from efficientfan.align import Template
from efficientfan.errors import printable
from efficientfan.serve.refusals import Refusal

__all__ = ["BatchOptions", "FaceOptions", "Options", "read_options"]

Box = Annotated[list[float], Field(min_length=4, max_length=4)]


class Options(BaseModel):
    """What `/v1/faces` and `/v1/batch` have in common."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    model: str | None = Field(
        None,
        description="Name of a model of `/v1/models`; without it, the first of them.",
        examples=["default"],
    )
    min_score: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Drop found faces with a lower score; without it, the model's own threshold.",
    )
    max_faces: int | None = Field(
        None, ge=1, description="Keep the largest so many found faces.", examples=[5]
    )
    pose: bool = Field(
        False,
        description="Add yaw, pitch and roll of each head, in degrees, and the openness of eyes and mouth.",
    )
    crop: Template | None = Field(
        None, description="Add an aligned crop of each face, a PNG file in base64.", examples=["arcface"]
    )
    crop_size: int = Field(112, ge=16, le=512, description="Side of the crops in pixels.")
    crop_margin: float = Field(
        0.0, ge=-0.5, le=2, description="Share by which the square around a face grows."
    )


class FaceOptions(Options):
    """Options of `/v1/faces`."""

    boxes: Json[list[Box]] | None = Field(
        None,
        description="JSON list of boxes, [x0, y0, x1, y1] each in pixels of the photo as EXIF turns it: one face per "
        "box, in their order, none dropped, and no detector is asked.",
        examples=["[[170.5, 70, 276, 206]]"],
    )


class BatchOptions(Options):
    """Options of `/v1/batch`; they hold for all of its photos."""

    boxes: Json[list[list[Box] | None]] | None = Field(
        None,
        description="JSON list with an entry per photo: a list of boxes, or null to ask the detector.",
        examples=["[[[170.5, 70, 276, 206]], null]"],
    )


OptionsT = TypeVar("OptionsT", bound=Options)


def read_options(kind: type[OptionsT], fields: Mapping[str, str]) -> OptionsT:
    """Options from the text of fields.

    Raises:
        Refusal: an unknown field, or a value that it cannot have.
    """
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = printable(".".join(map(str, first["loc"])))[:100]
        if first["type"] == "extra_forbidden":
            raise Refusal(
                "invalid_option", f"unknown field {where!r}; known are {', '.join(kind.model_fields)}"
            ) from error
        raise Refusal("invalid_option", f"{where}: {first['msg']}") from error
