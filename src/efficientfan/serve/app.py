"""The HTTP application: its routes, and what OpenAPI says of them."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any, TypeAlias

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from efficientfan.errors import InputError
from efficientfan.serve.answers import (
    BatchAnswer,
    ModelsAnswer,
    PhotoAnswer,
    model_answer,
)
from efficientfan.serve.front import Front
from efficientfan.serve.monitor import METRICS_TYPE
from efficientfan.serve.openapi import body_of, errors_of, parameters_of
from efficientfan.serve.options import BatchOptions, FaceOptions, read_options
from efficientfan.serve.page import add_page
from efficientfan.serve.queue import Decode
from efficientfan.serve.refusals import Refusal
from efficientfan.serve.service import Service
from efficientfan.serve.settings import ServiceSettings
from efficientfan.serve.uploads import Upload, received
from efficientfan.version import __version__

__all__ = ["create_app"]

_DESCRIPTION = (
    """Facial landmarks of photos. Errors have one shape: `{"error": {"code", "message", "request_id"}}`."""
)

Credentials: TypeAlias = Annotated[
    HTTPAuthorizationCredentials | None,
    Depends(HTTPBearer(auto_error=False, description="Where the service has a token.")),
]


def create_app(settings: ServiceSettings | None = None, decode: Decode | None = None) -> FastAPI:
    """The service as an ASGI application. It opens its models at once; its threads end with the lifespan.

    Args:
        settings: models and limits; None takes the defaults.
        decode: reads a photo, see `serve.queue.Decode`; None decodes in the queue's threads.

    Returns:
        The application; `app.state.service` is its `Service`.

    Raises:
        InputError: as for `efficientfan.load`.
        MissingDependencyError: as for `efficientfan.load`.
    """
    service = Service(settings or ServiceSettings(), decode)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    app = FastAPI(
        title="efficientfan",
        version=__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,  # the pages of FastAPI load scripts from elsewhere
        redoc_url=None,
    )
    app.state.service = service
    app.include_router(_routes(service))
    try:
        add_page(app, service.settings.page)
    except InputError:
        service.close()
        raise
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(HTTPException, _not_routed)
    if service.settings.cors:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(service.settings.cors),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
        )
    app.add_middleware(Front, service=service)
    return app


def _routes(service: Service) -> APIRouter:
    def admit(given: Credentials) -> None:
        token = service.settings.token
        if token is None:
            return
        sent = given.credentials if given is not None else ""
        if not hmac.compare_digest(sent.encode(), token.encode()):
            raise Refusal(
                "unauthorized",
                "the token is missing or wrong; send the header Authorization: Bearer TOKEN",
                {"WWW-Authenticate": "Bearer"},
            )

    def note(request: Request, upload: Upload, faces: int, model: str | None) -> None:
        """What the log says of a request besides its status."""
        request.state.log = {
            "photos": len(upload.photos),
            "bytes": sum(len(photo.content) for photo in upload.photos),
            "faces": faces,
            "model": service.predictor(model).spec.name,
        }

    open_to_all = APIRouter()
    guarded = APIRouter(dependencies=[Depends(admit)])

    @guarded.post(
        "/v1/faces",
        summary="Landmarks of the faces of a photo",
        response_model=PhotoAnswer,
        responses=errors_of(400, 401, 404, 408, 413, 415, 422, 503),
        openapi_extra={**parameters_of(FaceOptions), **body_of(FaceOptions, "image", several=False)},
    )
    async def faces(request: Request) -> Response:
        """The photo is the body itself, or the field `image` of a form. Options are query parameters or fields."""
        async with received(request, service.settings, service.held, field="image", most=1) as upload:
            options = read_options(FaceOptions, upload.fields)
            (answer,) = await service.faces(request, upload.photos, [options.boxes], options)
        if isinstance(answer, Refusal):
            raise answer
        note(request, upload, len(answer["faces"]), options.model)
        return JSONResponse(answer)

    @guarded.post(
        "/v1/batch",
        summary="Landmarks of the faces of several photos",
        response_model=BatchAnswer,
        responses=errors_of(400, 401, 404, 408, 413, 415, 422, 503),
        openapi_extra={**parameters_of(BatchOptions), **body_of(BatchOptions, "images", several=True)},
    )
    async def batch(request: Request) -> Response:
        """The photos are fields `images` of a form. A photo that cannot be used is an `error` in its place."""
        most = service.settings.max_batch
        async with received(request, service.settings, service.held, field="images", most=most) as upload:
            options = read_options(BatchOptions, upload.fields)
            n_photos = len(upload.photos)
            boxes = options.boxes or [None] * n_photos
            if len(boxes) != n_photos:
                raise Refusal("invalid_option", f"boxes: has {len(boxes)} entries for {n_photos} photos")
            answers = await service.faces(request, upload.photos, boxes, options)
        results = [
            {"image": photo.name, "error": answer.to_dict()} if isinstance(answer, Refusal) else answer
            for photo, answer in zip(upload.photos, answers, strict=True)
        ]
        note(request, upload, sum(len(result.get("faces", ())) for result in results), options.model)
        return JSONResponse({"results": results})

    @guarded.get(
        "/v1/models",
        summary="The models that requests may name",
        response_model=ModelsAnswer,
        responses=errors_of(401),
    )
    def models() -> Response:
        answers = [model_answer(name, predictor) for name, predictor in service.predictors.items()]
        return JSONResponse({"models": answers})

    @guarded.get(
        "/metrics",
        summary="Counters for Prometheus",
        response_class=PlainTextResponse,
        responses=errors_of(401),
    )
    def metrics() -> Response:
        return Response(service.monitor.exposition(), headers={"Content-Type": METRICS_TYPE})

    @open_to_all.get("/healthz", summary="Whether the process is alive")
    async def healthz() -> dict[str, bool]:
        return {"alive": True}

    @open_to_all.get("/readyz", summary="Whether requests are welcome", responses=errors_of(503))
    async def readyz() -> dict[str, bool]:
        if service.draining:
            raise Refusal("not_ready", "the service is shutting down")
        return {"ready": True}

    routes = APIRouter()
    routes.include_router(guarded)
    routes.include_router(open_to_all)
    return routes


async def _refused(request: Request, error: Any) -> Response:
    """The answer to a `Refusal`."""
    response: Response = error.response(request.state.request_id)
    return response


async def _not_routed(request: Request, error: Any) -> Response:
    """The answer to Starlette's own `HTTPException`: no such path, or another method."""
    headers: Mapping[str, str] = error.headers or {}
    if error.status_code == 405:
        allowed = f" ({headers['Allow']})" if "Allow" in headers else ""
        refusal = Refusal("method_not_allowed", f"this path has another method{allowed}", headers)
    elif error.status_code == 404:
        refusal = Refusal("not_found", "no such path; /openapi.json lists them", headers)
    else:
        refusal = Refusal("bad_request", str(error.detail), headers)
    return refusal.response(request.state.request_id)
