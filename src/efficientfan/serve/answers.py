"""The JSON of answers: how it is made, and what OpenAPI says of it."""

from __future__ import annotations

import base64
import io
from typing import Any

from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from efficientfan.align import crop_faces
from efficientfan.errors import InputError
from efficientfan.formats.records import Record
from efficientfan.predict import LandmarkPredictor
from efficientfan.serve.options import Options
from efficientfan.serve.refusals import Refusal
from efficientfan.structures import Face

__all__ = [
    "BatchAnswer",
    "ErrorAnswer",
    "ModelAnswer",
    "ModelsAnswer",
    "PhotoAnswer",
    "model_answer",
    "photo_answer",
]

Array = NDArray[Any]

_CROP_PIXELS = 4_000_000
"""The crops of one photo have at most so many pixels together."""


def photo_answer(
    name: str,
    image: Array,
    faces: list[Face],
    *,
    predictor: LandmarkPredictor,
    options: Options,
    given: bool,
) -> dict[str, Any]:
    """What `efficientfan predict` prints of a photo, with the crops that were asked for; see `PhotoAnswer`.

    Args:
        name: of the uploaded file.
        image: H x W x 3 uint8 RGB.
        faces: its faces.
        predictor: what found them.
        options: of the request.
        given: whether the boxes are the request's, each kept as a face.

    Raises:
        Refusal: too many pixels of crops.
    """
    if not given:
        faces = faces[: options.max_faces]
    height, width = image.shape[:2]
    spec = predictor.spec
    answer = Record(name, width, height, spec.name, spec.schema, faces, options.pose).to_dict()
    if options.crop is not None:
        if len(faces) * options.crop_size**2 > _CROP_PIXELS:
            raise Refusal(
                "crops_too_large",
                f"{len(faces)} crops of {options.crop_size} x {options.crop_size} have more than {_CROP_PIXELS} "
                "pixels; ask for smaller ones (crop_size) or fewer faces (max_faces)",
            )
        for entry, face in zip(answer["faces"], faces, strict=True):
            entry["crop"] = _crop(image, face, options)
    return answer


def _crop(image: Array, face: Face, options: Options) -> str | None:
    """A PNG file in base64, or None where the face cannot be aligned."""
    try:
        (crop,) = crop_faces(
            image, [face], size=options.crop_size, template=options.crop or "box", margin=options.crop_margin
        )
    except InputError:
        return None
    file = io.BytesIO()
    Image.fromarray(crop).save(file, "png", compress_level=1)
    return base64.b64encode(file.getvalue()).decode("ascii")


def model_answer(name: str, predictor: LandmarkPredictor) -> dict[str, Any]:
    """What `/v1/models` says of a model; see `ModelAnswer`."""
    spec = predictor.spec
    return {
        "name": name,
        "model": spec.name,
        "schema": spec.schema.name,
        "landmarks": spec.schema.n_landmarks,
        "license": spec.license,
        "training_data": spec.training_data,
    }


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PoseAnswer(_Answer):
    """Where a head points, in degrees."""

    yaw: float
    pitch: float
    roll: float
    error: float = Field(
        description="How far the landmarks lie from those of the turned neutral head, in pixels."
    )


class FaceAnswer(_Answer):
    """A face. Points are x, y in pixels of the upright photo, 0-based, pixel centers at integers."""

    box: list[float] = Field(description="x0, y0, x1, y1: where the landmarks were looked for.")
    roll: float = Field(description="Degrees by which the crop was turned, counter-clockwise.")
    score: float = Field(description="Mean score of the landmarks, in [0, 1].")
    points: list[list[float]] = Field(description="x, y of each landmark.")
    scores: list[float] = Field(description="How sure the network is of each landmark, in [0, 1].")
    detector_box: list[float] | None = Field(
        None, description="x0, y0, x1, y1; absent where boxes were given."
    )
    detector_score: float | None = Field(None, description="Absent where boxes were given.")
    visibility: list[list[float]] | None = Field(
        None,
        description="Of each landmark: chances that it is visible, covered, turned away; of some models only.",
    )
    pose: PoseAnswer | None = Field(None, description="With `pose`; null where it is not known.")
    eye_openness: list[float | None] | None = Field(
        None, description="With `pose`: of the right and left eye."
    )
    mouth_openness: float | None = Field(None, description="With `pose`.")
    crop: str | None = Field(
        None, description="With `crop`: a PNG file in base64; null where the face cannot be aligned."
    )


_EXAMPLE: dict[str, Any] = {
    "image": "photo.jpg",
    "width": 512,
    "height": 512,
    "model": "efficientfan_lite0_128_int8",
    "schema": "five",
    "faces": [
        {
            "box": [174.908, 84.509, 272.24, 177.961],
            "roll": 0.0,
            "score": 0.9996,
            "points": [[205.1, 113.2], [246.3, 112.8], [226.4, 137.5], [209.9, 158.3], [243.7, 157.6]],
            "scores": [1.0, 1.0, 0.9988, 0.9991, 1.0],
            "detector_box": [173.2, 86.1, 270.9, 180.4],
            "detector_score": 0.9713,
        }
    ],
}
"""An answer, shortened to five points."""


class PhotoAnswer(_Answer):
    """The faces of a photo, the largest first, or in the order of the given boxes; perhaps none."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    image: str = Field(description="Name of the uploaded file, or `image`.")
    width: int = Field(description="Pixels, of the upright photo.")
    height: int = Field(description="Pixels, of the upright photo.")
    model: str
    schema_: str = Field(
        alias="schema", description="What the landmarks are: `efficientfan schemas show NAME`."
    )
    faces: list[FaceAnswer]


class ErrorDetail(_Answer):
    """What is wrong."""

    code: str = Field(description="A fixed word for programs.")
    message: str = Field(description="What is wrong, and how to correct it, for people.")
    request_id: str | None = Field(None, description="As in the service's log and the header `X-Request-ID`.")


class ErrorAnswer(_Answer):
    """The one shape of every error."""

    error: ErrorDetail


class FailedPhotoAnswer(_Answer):
    """A photo of a batch that could not be used."""

    image: str
    error: ErrorDetail


class BatchAnswer(_Answer):
    """An entry per photo, in their order."""

    results: list[PhotoAnswer | FailedPhotoAnswer]


class ModelAnswer(_Answer):
    """A model that requests may name."""

    name: str = Field(description="What requests call it.")
    model: str = Field(description="Its own name, as in answers.")
    schema_: str = Field(alias="schema")
    landmarks: int
    license: str
    training_data: str


class ModelsAnswer(_Answer):
    """The models of the service; the first is used where a request names none."""

    models: list[ModelAnswer]
