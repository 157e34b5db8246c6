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
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from efficientfan.align import Template
from efficientfan.errors import EfficientFanError, InputError, first_line, needs_extra, printable
from efficientfan.geometry import as_boxes
from efficientfan.imaging import read_rgb
from efficientfan.schema import get_schema, list_schemas
from efficientfan.structures import Face

with needs_extra("client", "the client needs"):
    import httpx2 as httpx

__all__ = ["Answer", "Client", "Failure", "PhotoLike", "ServedModel", "ServiceError"]

Array = NDArray[Any]
T = TypeVar("T")

_MOST_BYTES = 256 * 2**20
"""Of an answer."""

_MOST_PIXELS = 512 * 512
"""Of a crop."""

PhotoLike: TypeAlias = "str | os.PathLike[str] | bytes | Array"
"""A path, the bytes of an image file, or H x W x 3 uint8 RGB, which is sent as PNG."""


class ServiceError(EfficientFanError):
    """The service refused a request, or cannot be reached.

    Attributes:
        status: of HTTP; None where there was no answer.
        code: a fixed word, one of `efficientfan.serve.REFUSALS`; "unreachable" where there was no answer, or none that
            is the service's.
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

    Raises:
        InputError: an address or a token that cannot be sent.

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
        if token and not (token.isascii() and token.isprintable()):
            raise InputError("a token (EFFICIENTFAN_TOKEN) is printable ASCII text")
        headers = {"Accept-Encoding": "identity"}  # a small answer must not become a huge one here
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            self._http = httpx.Client(base_url=address, headers=headers, timeout=timeout)
        except httpx.InvalidURL as error:
            raise InputError(f"{address!r}: is no address of a service ({error})") from error
        self._timeout = timeout
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
        return self._post("/v1/faces", [("image", _file(photo))], fields, _answer)

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

        def answers(table: Any) -> list[Answer | Failure]:
            if len(table["results"]) != len(photos):
                raise InputError(f"{len(table['results'])} results of {len(photos)} photos")
            return [
                _failure(entry["error"]) if "error" in entry else _answer(entry) for entry in table["results"]
            ]

        files = [("images", _file(photo)) for photo in photos]
        return self._post("/v1/batch", files, fields, answers)

    def models(self) -> list[ServedModel]:
        """The models of the service, its first one first.

        Raises:
            ServiceError: the service refused, or cannot be reached.
        """
        return self._send(_models, "GET", "/v1/models")

    def is_ready(self) -> bool:
        """Whether the service answers, and is not about to stop."""
        try:
            with self._http.stream("GET", "/readyz") as response:
                return bool(response.status_code == 200)
        except httpx.RequestError:
            return False

    def _post(
        self,
        path: str,
        files: list[tuple[str, tuple[str, bytes]]],
        fields: dict[str, str],
        read: Callable[[Any], T],
    ) -> T:
        return self._send(read, "POST", path, files=files, data=fields)

    def _send(self, read: Callable[[Any], T], method: str, path: str, **content: Any) -> T:
        """What `read` makes of the answer's JSON, after as many tries as it takes.

        Raises:
            ServiceError: see there.
        """
        try:
            for left in reversed(range(self._retries + 1)):
                with self._http.stream(method, path, **content) as response:
                    status = response.status_code
                    if status != 503 or not left:
                        body = self._body(response)
                        break
                time.sleep(_seconds(response.headers.get("Retry-After")))
        except httpx.RequestError as error:
            raise self._problem(f"cannot be reached ({first_line(error)})") from error
        try:
            table = json.loads(body)
            if response.is_success:
                return read(table)
            refusal = table["error"]
            message, code, request_id = refusal["message"], refusal["code"], refusal.get("request_id")
        except Exception as error:  # of JSON, arrays, schemas and decoders
            what = f"{status}: the answer is not the service's ({first_line(error)})"
            raise self._problem(what, status) from error
        raise self._problem(f"{status}: {message}", status, str(code), request_id and str(request_id))

    def _body(self, response: httpx.Response) -> bytes:
        """The bytes of an answer, within limits of their number and time."""
        body, until = bytearray(), time.monotonic() + self._timeout
        for chunk in response.iter_raw():
            body += chunk
            if len(body) > _MOST_BYTES:
                raise self._problem(f"the answer has more than {_MOST_BYTES} bytes", response.status_code)
            if time.monotonic() > until:
                raise self._problem(f"no whole answer within {self._timeout:g} seconds", response.status_code)
        return bytes(body)

    def _problem(
        self, what: str, status: int | None = None, code: str = "unreachable", request_id: str | None = None
    ) -> ServiceError:
        return ServiceError(printable(f"{self._http.base_url}: {what}"), code, status, request_id)


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


def _models(table: Any) -> list[ServedModel]:
    return [
        ServedModel(*(str(entry[key]) for key in ("name", "model", "schema", "license")))
        for entry in table["models"]
    ]


def _failure(error: Any) -> Failure:
    return Failure(str(error["code"]), str(error["message"]))


def _answer(table: Any) -> Answer:
    name, model = str(table["schema"]), str(table["model"])
    if name not in list_schemas():  # no path of a file here
        raise InputError(f"schema {printable(name)!r} is none of this version's")
    schema = get_schema(name)
    faces = [
        Face(
            entry["box"],
            entry["points"],
            entry["scores"],
            schema,
            entry.get("visibility"),
            model,
            roll=float(entry["roll"]),
            detector_box=entry.get("detector_box"),
            detector_score=entry.get("detector_score"),
        )
        for entry in table["faces"]
    ]
    crops = [_pixels(entry["crop"]) for entry in table["faces"] if "crop" in entry]
    return Answer(int(table["width"]), int(table["height"]), model, faces, crops)


def _pixels(crop: str | None) -> Array | None:
    return None if crop is None else read_rgb(io.BytesIO(base64.b64decode(crop)), max_pixels=_MOST_PIXELS)
