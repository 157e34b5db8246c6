"""The service as a process, or as a thread beside other code."""

from __future__ import annotations

import asyncio
import logging
import math
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn
from fastapi import FastAPI

from efficientfan.errors import InputError
from efficientfan.imaging import process_settings
from efficientfan.serve.app import create_app
from efficientfan.serve.connections import limited_connections
from efficientfan.serve.monitor import JsonLines, log
from efficientfan.serve.service import Service
from efficientfan.serve.settings import ServiceSettings

__all__ = ["run", "running"]


def run(app: FastAPI, host: str = "127.0.0.1", port: int = 8000) -> None:
    """Serve until SIGTERM or Ctrl-C, then finish what was accepted; a second signal ends at once. The log goes to
    standard output.

    Args:
        app: of `create_app`.
        host: address to listen on.
        port: 0 takes any that is free.

    Raises:
        InputError: the address cannot be listened on.
    """
    server = _server(app, host, port)
    with _logging(), process_settings(server.service.threads, 1):
        try:
            server.run()
        except SystemExit as error:  # uvicorn's way to say so; the log has the reason
            raise InputError(f"{host}:{port}: cannot be listened on; choose another host or port") from error


@contextmanager
def _logging() -> Iterator[None]:
    """The log goes to standard output for as long as the block lasts."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines())
    levels = {
        "efficientfan.serve": logging.INFO,
        "uvicorn": logging.WARNING,
        "python_multipart": logging.ERROR,
    }
    loggers = [logging.getLogger(name) for name in levels]
    before = [(logger.handlers, logger.propagate, logger.level) for logger in loggers]
    for logger, level in zip(loggers, levels.values(), strict=True):
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)
    try:
        yield
    finally:
        for logger, (handlers, propagate, level) in zip(loggers, before, strict=True):
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(level)


@contextmanager
def running(settings: ServiceSettings | None = None) -> Iterator[str]:
    """A service in a thread of this process, for tests and notebooks, for as long as the block lasts.

    Args:
        settings: models and limits; None takes the defaults.

    Yields:
        Its address, such as "http://127.0.0.1:43210".
    """
    server = _server(create_app(settings), "127.0.0.1", 0)
    thread = threading.Thread(target=server.run, name="efficientfan-serve")
    thread.start()
    try:
        server.listening.wait()
        yield server.address
    finally:
        server.should_exit = True
        thread.join()


class _Server(uvicorn.Server):
    """uvicorn's server, which first lets its clients go.

    Attributes:
        service: what it serves.
        listening: set as soon as it listens.
        address: with the port that it got.
    """

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self.service = service
        self.listening = threading.Event()
        self.address = ""

    async def startup(self, sockets: None = None) -> None:  # type: ignore[override]  # it listens on no others
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self.address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
            log(
                "listening",
                address=self.address,
                models=list(self.service.predictors),
                threads=self.service.threads,
            )
        self.listening.set()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Serve on for a while, so that answers close their connections and load balancers look elsewhere."""
        if self.service.draining:
            self.should_exit = self.force_exit = True
            return
        self.service.draining = True
        log("draining", seconds=self.service.settings.drain_seconds)
        asyncio.get_running_loop().call_later(self.service.settings.drain_seconds, self._exit)

    def _exit(self) -> None:
        self.should_exit = True


def _server(app: FastAPI, host: str, port: int) -> _Server:
    service: Service = app.state.service
    settings = service.settings
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=limited_connections(settings),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=math.ceil(settings.upload_seconds + settings.answer_seconds),
    )
    return _Server(config, service)
