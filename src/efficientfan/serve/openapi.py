"""What OpenAPI says of requests and errors; bodies and options are read by `uploads` and `options`, not by FastAPI."""

from __future__ import annotations

from typing import Any

from efficientfan.serve.answers import ErrorAnswer
from efficientfan.serve.options import Options
from efficientfan.serve.refusals import REFUSALS

__all__ = ["body_of", "errors_of", "parameters_of"]


def errors_of(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The answers of each status, with an example for each of its codes."""
    return {status: _errors(status) for status in (*statuses, 500)}


def _errors(status: int) -> dict[str, Any]:
    meanings = {code: meaning for code, (own, meaning) in REFUSALS.items() if own == status}
    examples = {
        code: {"value": {"error": {"code": code, "message": meaning, "request_id": "6f0c2b"}}}
        for code, meaning in meanings.items()
    }
    return {
        "model": ErrorAnswer,
        "description": "; ".join(f"`{code}`: {meaning}" for code, meaning in meanings.items()),
        "content": {"application/json": {"examples": examples}},
    }


def parameters_of(options: type[Options]) -> dict[str, Any]:
    """The options as query parameters."""
    return {
        "parameters": [
            {
                "name": name,
                "in": "query",
                "required": False,
                "description": schema.get("description", ""),
                "schema": {key: value for key, value in schema.items() if key != "description"},
            }
            for name, schema in _properties(options).items()
        ]
    }


def body_of(options: type[Options], field: str, *, several: bool) -> dict[str, Any]:
    """The body: a form with photos and options; where it is not `several`, also the photo itself."""
    photo = {
        "type": "string",
        "format": "binary",
        "description": "A JPEG, PNG, WebP, BMP, TIFF, GIF or PPM file.",
    }
    photos = {"type": "array", "items": photo, "minItems": 1} if several else photo
    form = {"type": "object", "properties": {field: photos, **_properties(options)}, "required": [field]}
    content: dict[str, Any] = {"multipart/form-data": {"schema": form}}
    if not several:
        binary = {"schema": {"type": "string", "format": "binary"}}
        content |= dict.fromkeys(("image/jpeg", "image/png", "application/octet-stream"), binary)
    return {"requestBody": {"required": True, "content": content}}


def _properties(options: type[Options]) -> dict[str, Any]:
    """JSON schema of each option; without null, which text cannot be."""
    properties: dict[str, Any] = {}
    for name, schema in options.model_json_schema()["properties"].items():
        plain = dict(schema)
        kinds = [kind for kind in plain.pop("anyOf", []) if kind != {"type": "null"}]
        plain |= kinds[0] if kinds else {}
        if plain.get("default", "") is None:
            del plain["default"]
        properties[name] = plain
    return properties
