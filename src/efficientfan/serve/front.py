"""What surrounds every request: its id, its line in the log, its counters, and an answer to every exception."""

from __future__ import annotations

import re
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from efficientfan.serve.monitor import log, log_failure
from efficientfan.serve.refusals import ClientGone, Refusal
from efficientfan.serve.service import Service

__all__ = ["Front"]

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

_GONE = 499
"""Status in the log where the client closed the connection, as nginx has it."""


class Front:
    """The outermost ASGI application of the service.

    Args:
        app: answers.
        service: whose requests they are.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = Headers(scope=scope).get("x-request-id", "")
        if not _REQUEST_ID.fullmatch(request_id):
            request_id = uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        started, status, monitor = time.perf_counter(), 0, self._service.monitor

        async def marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                headers["X-Content-Type-Options"] = "nosniff"
                if self._service.draining:
                    headers["Connection"] = "close"
            await send(message)

        monitor.in_flight.inc()
        try:
            await self._app(scope, receive, marked)
        except ClientGone:
            status = _GONE
        except Exception:
            log_failure("fault", request_id=request_id)
            if status:
                raise  # half an answer is out: the server closes the connection
            fault = Refusal("internal", "a fault of the service; its log has the request's id")
            await fault.response(request_id)(scope, receive, marked)
        finally:
            seconds = time.perf_counter() - started
            path = getattr(scope.get("route"), "path", "") or "other"
            monitor.in_flight.dec()
            monitor.requests.labels(path, status).inc()
            monitor.seconds.labels(path).observe(seconds)
            log(
                "request",
                request_id=request_id,
                method=scope["method"],
                path=path,
                status=status,
                ms=round(seconds * 1e3, 1),
                **scope["state"].get("log", {}),
            )
