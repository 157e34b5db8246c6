"""Services of the tiny model, which answers in a millisecond; the photo is the face."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("fastapi", reason="the extra serve is not installed")
pytest.importorskip("httpx2", reason="the extra client is not installed")

from fastapi.testclient import TestClient

from efficientfan.serve import ServiceSettings, create_app
from efficientfan.serve.queue import Decode

Service = Callable[..., TestClient]


@pytest.fixture(scope="session")
def photo() -> bytes:
    """A JPEG file, 96 x 64, with a red disc."""
    rows, columns = np.mgrid[:64, :96]
    image = np.zeros((64, 96, 3), np.uint8)
    image[(rows - 30) ** 2 + (columns - 50) ** 2 < 400] = (255, 255, 0)
    return encoded(image, "jpeg")


def encoded(image: np.ndarray, kind: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind)
    return file.getvalue()


@pytest.fixture(scope="session")
def settings_of(model_file: Path) -> Callable[..., ServiceSettings]:
    """Settings of a small service, with changes."""

    def make(**changes: object) -> ServiceSettings:
        values = {
            "models": (str(model_file),),
            "detector": "whole",
            "threads": 1,
            "untrusted": False,
            "drain_seconds": 0,
        }
        return ServiceSettings(**(values | changes))

    return make


@pytest.fixture
def service(settings_of: Callable[..., ServiceSettings]) -> Iterator[Service]:
    """Starts services, as clients of them; they end with the test."""
    clients: list[TestClient] = []

    def start(decode: Decode | None = None, **changes: object) -> TestClient:
        client = TestClient(create_app(settings_of(**changes), decode))
        clients.append(client.__enter__())
        return client

    yield start
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture(scope="session")
def client(settings_of: Callable[..., ServiceSettings]) -> Iterator[TestClient]:
    """A client of a service with the settings that a test need not change."""
    with TestClient(create_app(settings_of())) as client:
        yield client
