"""The typed client of `efficientfan serve`: photos go out, `Face` objects come back. Needs the extra `client`."""

from __future__ import annotations

import base64
import io
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from efficientfan.align import Template
from efficientfan.errors import EfficientFanError, InputError, needs_extra
from efficientfan.geometry import as_boxes
from efficientfan.imaging import read_rgb
from efficientfan.schema import get_schema
from efficientfan.structures import Face

with needs_extra("client", "the client needs"):
    import httpx2 as httpx

__all__ = ["Answer", "Client", "Failure", "PhotoLike", "ServedModel", "ServiceError"]

Array = NDArray[Any]

PhotoLike: TypeAlias = "str | os.PathLike[str] | bytes | Array"
"""A path, the bytes of an image file, or H x W x 3 uint8 RGB, which is sent as PNG."""


class ServiceError(EfficientFanError):
    """The service refused a request, or cannot be reached.

    Attributes:
        status: of HTTP; None where there was no answer.
        code: a fixed word, one of `efficientfan.serve.REFUSALS`; "unreachable" where there was no answer.
        request_id: as in the service's log; None where there is none.
    """

    def __init__(
        self, message: str, code: str, status: int | None = None, request_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.request_id = request_id


@dataclass(frozen=True, eq=False)
class Answer:
    """The faces of a photo.

    Attributes:
        width, height: pixels of the upright photo.
        model: name of the model that found the landmarks.
        faces: the largest first, or in the order of the given boxes; perhaps none.
        crops: per face, size x size x 3 uint8 RGB, or None where it cannot be aligned; empty where none were asked for.
    """

    width: int
    height: int
    model: str
    faces: list[Face]
    crops: list[Array | None] = field(default_factory=list)


@dataclass(frozen=True)
class Failure:
    """A photo of a batch that could not be used.

    Attributes:
        code: a fixed word, one of `efficientfan.serve.REFUSALS`.
        reason: one line.
    """

    code: str
    reason: str


@dataclass(frozen=True)
class ServedModel:
    """A model of the service.

    Attributes:
        name: what requests call it.
        model: its own name.
        schema: name of its landmarks' schema.
        license: terms of its weights.
    """

    name: str
    model: str
    schema: str
    license: str


class Client:
    """Asks a service for faces. Threads may share it. Close it, or use it in a `with` block.

    Args:
        address: of the service, such as "http://127.0.0.1:8000".
        token: where the service has one; None takes the environment's `EFFICIENTFAN_TOKEN`, if there is one.
        timeout: seconds to wait for each answer.
        retries: further tries of a request that a busy service put off, each after as long as the service says.

    Example:
        >>> with Client("http://127.0.0.1:8000") as client:              # doctest: +SKIP
        ...     faces = client.faces("photo.jpg").faces
    """

    def __init__(
        self,
        address: str = "http://127.0.0.1:8000",
        *,
        token: str | None = None,
        timeout: float = 60.0,
        retries: int = 2,
    ) -> None:
        token = token or os.environ.get("EFFICIENTFAN_TOKEN")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=address, headers=headers, timeout=timeout)
        self._retries = retries

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def faces(
        self,
        photo: PhotoLike,
        boxes: ArrayLike | None = None,
        *,
        model: str | None = None,
        min_score: float | None = None,
        max_faces: int | None = None,
        crop: Template | None = None,
        crop_size: int | None = None,
        crop_margin: float | None = None,
    ) -> Answer:
        """The faces of a photo.

        Args:
            photo: see `PhotoLike`.
            boxes: (N, 4) xyxy in pixels of the upright photo: one face per box, in their order; None asks the detector.
            model: one of `models()`; None takes the service's first.
            min_score: drop found faces with a lower score; None takes the model's own threshold.
            max_faces: keep the largest so many found faces.
            crop: template of aligned crops; None gives none.
            crop_size: side of the crops in pixels; None takes 112.
            crop_margin: share by which the square around a face grows; None takes 0.

        Raises:
            InputError: a photo that cannot be read, or boxes that are none.
            ServiceError: the service refused, or cannot be reached.
        """
        given = None if boxes is None else json.dumps(as_boxes(boxes).tolist())
        fields = _fields(
            boxes=given,
            model=model,
            min_score=min_score,
            max_faces=max_faces,
            crop=crop,
            crop_size=crop_size,
            crop_margin=crop_margin,
        )
        return _answer(self._post("/v1/faces", [("image", _file(photo))], fields))

    def batch(
        self,
        photos: Sequence[PhotoLike],
        boxes: Sequence[ArrayLike | None] | None = None,
        *,
        model: str | None = None,
        min_score: float | None = None,
        max_faces: int | None = None,
    ) -> list[Answer | Failure]:
        """The faces of several photos, in their order; a `Failure` for each that cannot be used.

        Args:
            photos: as many as the service takes at once.
            boxes: an entry per photo, as for `faces`.
            model: as for `faces`.
            min_score: as for `faces`.
            max_faces: as for `faces`.

        Raises:
            InputError: as for `faces`.
            ServiceError: as for `faces`.
        """
        given = None
        if boxes is not None:
            given = json.dumps([None if own is None else as_boxes(own).tolist() for own in boxes])
        fields = _fields(boxes=given, model=model, min_score=min_score, max_faces=max_faces)
        table = self._post("/v1/batch", [("images", _file(photo)) for photo in photos], fields)
        return [
            Failure(entry["error"]["code"], entry["error"]["message"]) if "error" in entry else _answer(entry)
            for entry in table["results"]
        ]

    def models(self) -> list[ServedModel]:
        """The models of the service, its first one first.

        Raises:
            ServiceError: the service refused, or cannot be reached.
        """
        table = self._send(lambda: self._http.get("/v1/models"))
        return [
            ServedModel(entry["name"], entry["model"], entry["schema"], entry["license"])
            for entry in table["models"]
        ]

    def is_ready(self) -> bool:
        """Whether the service answers, and is not about to stop."""
        try:
            return self._http.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def _post(self, path: str, files: list[tuple[str, tuple[str, bytes]]], fields: dict[str, str]) -> Any:
        return self._send(lambda: self._http.post(path, files=files, data=fields))

    def _send(self, request: Callable[[], httpx.Response]) -> Any:
        """The answer's JSON, after as many tries as it takes.

        Raises:
            ServiceError: see there.
        """
        for left in reversed(range(self._retries + 1)):
            try:
                response = request()
            except httpx.TransportError as error:
                raise ServiceError(
                    f"{self._http.base_url}: cannot be reached ({error})", "unreachable"
                ) from error
            if response.status_code != 503 or not left:
                break
            time.sleep(_seconds(response.headers.get("Retry-After")))
        try:
            table = response.json()
            if response.is_success:
                return table
            refusal = table["error"]
            message, code, request_id = (
                str(refusal["message"]),
                str(refusal["code"]),
                refusal.get("request_id"),
            )
        except (ValueError, TypeError, KeyError):
            message, code, request_id = "the answer is not the service's", "unreachable", None
        raise ServiceError(
            f"{self._http.base_url}: {response.status_code}: {message}",
            code,
            response.status_code,
            request_id,
        )


def _seconds(header: str | None) -> float:
    """What `Retry-After` says, at most a minute."""
    return min(float(header), 60.0) if header and header.isdecimal() else 1.0


def _fields(**options: str | float | None) -> dict[str, str]:
    return {name: str(value) for name, value in options.items() if value is not None}


def _file(photo: PhotoLike) -> tuple[str, bytes]:
    """Name and content of a photo's file."""
    if isinstance(photo, bytes):
        return "image", photo
    if isinstance(photo, np.ndarray):
        if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3:
            raise InputError(f"an image array is H x W x 3 uint8 RGB, not {photo.dtype} {photo.shape}")
        file = io.BytesIO()
        Image.fromarray(photo).save(file, "png", compress_level=1)
        return "image", file.getvalue()
    try:
        return Path(photo).name, Path(photo).read_bytes()
    except OSError as error:
        raise InputError(f"{photo}: cannot be read ({error.strerror})") from error


def _answer(table: dict[str, Any]) -> Answer:
    schema = get_schema(table["schema"])
    faces = [
        Face(
            entry["box"],
            entry["points"],
            entry["scores"],
            schema,
            entry.get("visibility"),
            table["model"],
            roll=entry["roll"],
            detector_box=entry.get("detector_box"),
            detector_score=entry.get("detector_score"),
        )
        for entry in table["faces"]
    ]
    crops = [_pixels(entry["crop"]) for entry in table["faces"] if "crop" in entry]
    return Answer(table["width"], table["height"], table["model"], faces, crops)


def _pixels(crop: str | None) -> Array | None:
    return None if crop is None else read_rgb(io.BytesIO(base64.b64decode(crop)))
