"""uvicorn's HTTP connections, with limits that it has not: of their number, of the time in which a head arrives and an
answer is taken, and of the bytes of answers that wait for their clients."""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from efficientfan.serve.refusals import REFUSALS
from efficientfan.serve.settings import ServiceSettings

__all__ = ["limited_connections"]


def limited_connections(settings: ServiceSettings) -> type[H11Protocol]:
    """The class of a service's connections, as uvicorn takes it."""

    class Connection(_Connection):
        most = settings.max_connections
        seconds = settings.header_seconds
        answer_seconds = settings.download_seconds
        most_waiting = settings.max_held_bytes

    return Connection


class _Connection(H11Protocol):
    """A connection that is closed where a client is slow, or where there are too many."""

    most: int
    seconds: float
    answer_seconds: float
    most_waiting: int
    _timer: asyncio.TimerHandle | None = None
    _answer_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        if len(self.connections) > self.most:
            self._refuse("busy", "too many connections; try again in a second", "Retry-After: 1\r\n")
        else:
            self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop()
        self._stop_answer_timer()

    def pause_writing(self) -> None:
        super().pause_writing()
        # close() would wait for the client, for ever.
        self._answer_timer = self.loop.call_later(self.answer_seconds, self.transport.abort)
        waiting = {each.transport: each.transport.get_write_buffer_size() for each in self.connections}
        if sum(waiting.values()) > self.most_waiting:
            max(waiting, key=waiting.__getitem__).abort()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_answer_timer()

    def send_400_response(self, msg: str) -> None:
        self._refuse("bad_request", msg)

    def _watch(self) -> None:
        """Time is measured from when the client owes something until it has delivered all of it."""
        owes_head = self.conn.their_state is h11.IDLE and self.timeout_keep_alive_task is None
        owes_rest = self.conn.their_state is h11.SEND_BODY and self.conn.our_state in (
            h11.DONE,
            h11.MUST_CLOSE,
        )
        if not (owes_head or owes_rest):
            self._stop()
        elif self._timer is None:
            self._timer = self.loop.call_later(self.seconds, self._too_slow)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stop_answer_timer(self) -> None:
        if self._answer_timer is not None:
            self._answer_timer.cancel()
            self._answer_timer = None

    def _too_slow(self) -> None:
        if self.transport.is_closing():
            return
        if self.conn.their_state is h11.IDLE:
            self._refuse("slow_request", f"the request's head did not arrive within {self.seconds:g} seconds")
        else:  # it has its answer
            self.transport.close()

    def _refuse(self, code: str, message: str, headers: str = "") -> None:
        status = REFUSALS[code][0]
        body = json.dumps({"error": {"code": code, "message": message}})
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n{headers}Connection: close\r\n\r\n"
        )
        self.transport.write((head + body).encode("ascii"))
        self.transport.close()
