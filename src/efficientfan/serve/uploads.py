"""The body of a request: read under limits of bytes and time, kept in memory, never written to disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from efficientfan.errors import printable
from efficientfan.serve.refusals import ClientGone, Refusal
from efficientfan.serve.settings import ServiceSettings

__all__ = ["HeldBytes", "Upload", "UploadedPhoto", "received"]

_FIELD_BYTES = 256 * 1024
"""Of one field of a form that is no photo."""


@dataclass(frozen=True)
class UploadedPhoto:
    """A photo of a request.

    Attributes:
        name: of its file, or "image".
        content: bytes of the image file.
    """

    name: str
    content: bytes


@dataclass(frozen=True)
class Upload:
    """What a request brought.

    Attributes:
        photos: at least one.
        fields: text of the other fields and of the query's parameters.
    """

    photos: list[UploadedPhoto]
    fields: dict[str, str]


class HeldBytes:
    """Counts the bytes of bodies that are in memory, of all requests.

    Args:
        most: bytes that may be.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.now = 0

    def add(self, size: int) -> None:
        """Hold so many more.

        Raises:
            Refusal: there would be too many.
        """
        if self.now + size > self._most:
            raise Refusal("busy", "too many photos arrive at once; try again in a second")
        self.now += size

    def release(self, size: int) -> None:
        """Hold so many less."""
        self.now -= size


@asynccontextmanager
async def received(
    request: Request, settings: ServiceSettings, held: HeldBytes, *, field: str, most: int
) -> AsyncIterator[Upload]:
    """The photos and fields of a request. Their bytes count as held until the block ends.

    Args:
        request: whose body has not been read.
        settings: limits.
        held: of the service.
        field: name of the form's field for photos.
        most: photos.

    Raises:
        Refusal: a body that is too large, too slow, of another type, broken, or without a photo.
        ClientGone: the connection was closed.
    """
    body = _Body(request, settings.max_bytes, held)
    try:
        yield await _in_time(_parse(request, body, field, most), settings.upload_seconds)
    finally:
        held.release(body.size)


async def _in_time(parsing: Coroutine[Any, Any, Upload], seconds: float) -> Upload:
    try:
        return await asyncio.wait_for(parsing, seconds)
    except asyncio.TimeoutError as error:
        raise Refusal(
            "slow_request", f"the body did not arrive within {seconds:g} seconds", {"Connection": "close"}
        ) from error


class _Body:
    """Chunks of a body, counted.

    Args:
        request: whose body it is.
        most: bytes.
        held: counts them too.
    """

    def __init__(self, request: Request, most: int, held: HeldBytes) -> None:
        self._receive = request.receive
        self._most = most
        self._held = held
        self._announced = int(request.headers.get("content-length") or 0)
        self.size = 0

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        if self._announced > self._most:  # refused before it is sent
            raise self._too_large()
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            chunk = message.get("body", b"")
            if self.size + len(chunk) > self._most:
                raise self._too_large()
            self._held.add(len(chunk))
            self.size += len(chunk)
            more = message.get("more_body", False)
            if chunk:
                yield chunk

    def _too_large(self) -> Refusal:
        return Refusal("too_large", f"the body has more than {self._most} bytes; send a smaller photo")


class _InMemory(MultiPartParser):
    """Starlette's parser, without temporary files on disk: the size of the body is limited already."""

    spool_max_size = 2**62

    def close(self) -> None:
        """Close what it has opened; also files of a form that was cut off, which are in no `FormData`."""
        for file in self._files_to_close_on_error:
            file.close()


async def _parse(request: Request, body: _Body, field: str, most: int) -> Upload:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refusal("unsupported_media_type", "a compressed body (Content-Encoding) is not taken")
    query = _without_repetition(request.query_params.multi_items())
    if kind == "multipart/form-data":
        parser = _InMemory(
            request.headers, body.chunks(), max_files=most, max_fields=20, max_part_size=_FIELD_BYTES
        )
        try:
            return _from_form(await parser.parse(), query, field)
        except MultiPartException as error:
            raise Refusal("bad_request", f"the form cannot be read: {printable(error.message)}") from error
        finally:
            parser.close()
    if kind.startswith("image/") or kind == "application/octet-stream":
        content = b"".join([chunk async for chunk in body.chunks()])
        if not content:
            raise Refusal("unusable_image", "the body is empty; send the bytes of an image file")
        return Upload([UploadedPhoto("image", content)], query)
    raise Refusal(
        "unsupported_media_type",
        f"a photo is the body itself, with Content-Type image/jpeg (or another image, or application/octet-stream), "
        f"or the field {field!r} of multipart/form-data; not {printable(kind)[:100] or 'without a type'}",
    )


def _from_form(form: FormData, query: dict[str, str], field: str) -> Upload:
    photos, texts = [], list(query.items())
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            content = value.file.read()
            if name != field:
                raise Refusal(
                    "invalid_option", f"a file is sent in the field {field!r}, not {printable(name)[:100]!r}"
                )
            photos.append(UploadedPhoto(printable(value.filename or "image")[:200], content))
        elif name == field:
            raise Refusal("invalid_option", f"{field}: is text, not a file (curl: -F {field}=@photo.jpg)")
        else:
            texts.append((name, value))
    if not photos:
        raise Refusal("invalid_option", f"the form has no file in the field {field!r}")
    return Upload(photos, _without_repetition(texts))


def _without_repetition(items: list[tuple[str, str]]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for name, value in items:
        if name in fields:
            raise Refusal("invalid_option", f"{printable(name)[:100]}: is given twice")
        fields[name] = value
    return fields
