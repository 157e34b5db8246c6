"""Why a request is not answered with faces: one table of codes, one exception, one shape of JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse

__all__ = ["REFUSALS", "ClientGone", "Refusal"]

REFUSALS: dict[str, tuple[int, str]] = {
    "bad_request": (400, "not HTTP, or a multipart body that is broken or has too many parts"),
    "unauthorized": (401, "the token is missing or wrong"),
    "not_found": (404, "no such path"),
    "unknown_model": (404, "the service does not have this model; `/v1/models` lists those it has"),
    "method_not_allowed": (405, "the path has another method"),
    "slow_request": (408, "the head or the body of the request did not arrive in time"),
    "too_large": (413, "the body has more bytes than the service takes"),
    "unsupported_media_type": (415, "the body is neither an image nor multipart/form-data"),
    "invalid_option": (422, "a field or query parameter is unknown, given twice, or of a wrong value"),
    "unusable_image": (422, "not an image, damaged, or of too many pixels"),
    "unusable_boxes": (422, "a box outside of the photo or without size, or too many boxes"),
    "crops_too_large": (422, "the crops that were asked for have too many pixels together"),
    "internal": (500, "a fault of the service; its log has the request's id"),
    "busy": (503, "the queue is full: try again after the seconds in `Retry-After`"),
    "timed_out": (503, "no answer in time: try again after the seconds in `Retry-After`"),
    "not_ready": (503, "the service is shutting down"),
}
"""Code of each refusal -> HTTP status, and what it means."""


class Refusal(Exception):
    """A request that is not answered with faces.

    Args:
        code: one of `REFUSALS`.
        message: what is wrong, and how to correct it.
        headers: further headers of the answer.
    """

    def __init__(self, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = REFUSALS[code][0]
        self.headers = dict(headers or {})
        if self.status == 503:
            self.headers.setdefault("Retry-After", "1")

    def to_dict(self, request_id: str | None = None) -> dict[str, Any]:
        """The error as it stands in the answer's JSON."""
        table = {"code": self.code, "message": self.message}
        return table if request_id is None else {**table, "request_id": request_id}

    def response(self, request_id: str) -> JSONResponse:
        """The answer: `{"error": {"code": ..., "message": ..., "request_id": ...}}`."""
        return JSONResponse({"error": self.to_dict(request_id)}, self.status, self.headers)


class ClientGone(Exception):
    """The client closed the connection: nobody reads an answer."""
