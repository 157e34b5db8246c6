"""The typed client, against a service on a real port."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("fastapi", reason="the extra serve is not installed")
pytest.importorskip("httpx2", reason="the extra client is not installed")

import httpx2

from efficientfan import InputError, load
from efficientfan.client import Answer, Client, Failure, ServiceError
from efficientfan.serve import ServiceSettings, running

BOX = [20.5, 10, 80, 60]


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    rows, columns = np.mgrid[:64, :96]
    image = np.zeros((64, 96, 3), np.uint8)
    image[(rows - 30) ** 2 + (columns - 50) ** 2 < 400] = (255, 255, 0)
    return image


@pytest.fixture(scope="module")
def address(model_file: Path) -> Iterator[str]:
    settings = ServiceSettings(
        models=(str(model_file),), detector="whole", threads=1, token="t", drain_seconds=0
    )
    with running(settings) as address:
        yield address


@pytest.fixture
def client(address: str) -> Iterator[Client]:
    with Client(address, token="t") as client:
        yield client


def test_faces_are_those_of_a_predictor_here(client, model_file, image, tmp_path):
    predictor = load(model_file, detector="whole")
    file = io.BytesIO()
    Image.fromarray(image).save(file, "png")
    (tmp_path / "a.png").write_bytes(file.getvalue())
    for boxes in (None, [BOX, BOX]):
        expected = predictor(image, boxes)
        for photo in (image, file.getvalue(), tmp_path / "a.png", str(tmp_path / "a.png")):
            answer = client.faces(photo, boxes)
            assert (answer.width, answer.height, answer.model, answer.crops) == (96, 64, "tiny", [])
            for mine, theirs in zip(answer.faces, expected, strict=True):
                assert mine.to_dict() == theirs.to_dict()


def test_crops_come_as_pixels(client, image):
    answer = client.faces(image, crop="box", crop_size=40, crop_margin=0.5)
    (face,), (crop,) = answer.faces, answer.crops
    assert np.abs(crop.astype(int) - face.align(image, 40, "box", 0.5)).max() <= 2  # points are rounded


def test_options_are_sent(client, image):
    assert client.faces(image, min_score=1.0).faces == []
    assert len(client.faces(image, model="tiny", max_faces=1).faces) == 1


def test_a_batch_has_failures_in_their_places(client, image):
    good, bad, boxed = client.batch([image, b"no photo", image], [None, None, [BOX, BOX]])
    assert isinstance(good, Answer)
    assert isinstance(boxed, Answer)
    assert (len(good.faces), len(boxed.faces)) == (1, 2)
    assert isinstance(bad, Failure)
    assert (bad.code, bad.reason.split(":")[0]) == ("unusable_image", "image")


def test_models_and_readiness(client, address):
    (model,) = client.models()
    assert (model.name, model.model, model.schema, model.license) == ("tiny", "tiny", "ibug68", "Apache-2.0")
    assert client.is_ready()


def test_the_token_is_taken_from_the_environment(address, monkeypatch):
    monkeypatch.setenv("EFFICIENTFAN_TOKEN", "t")
    with Client(address) as client:
        assert client.models()
    with (
        Client(address, token="wrong") as client,
        pytest.raises(ServiceError, match="401: the token is") as error,
    ):
        client.models()
    assert (error.value.status, error.value.code) == (401, "unauthorized")


def test_refusals_are_errors_with_their_code(client):
    with pytest.raises(ServiceError, match="422: image: is not an image") as error:
        client.faces(b"no photo")
    assert (error.value.code, len(error.value.request_id)) == ("unusable_image", 32)


def test_bad_input_is_not_sent(client, image, tmp_path):
    with pytest.raises(InputError, match=r"nothing\.jpg: cannot be read"):
        client.faces(tmp_path / "nothing.jpg")
    with pytest.raises(InputError, match="H x W x 3 uint8"):
        client.faces(image.astype(float))
    with pytest.raises(InputError, match="no positive width"):
        client.faces(image, [[5, 5, 5, 5]])


def test_where_nothing_listens_that_is_said():
    with Client("http://127.0.0.1:9", timeout=5) as client:
        assert not client.is_ready()
        with pytest.raises(ServiceError, match="cannot be reached") as error:
            client.models()
    assert (error.value.status, error.value.code) == (None, "unreachable")


def answering(client: Client, *responses: httpx2.Response) -> list[httpx2.Request]:
    """Lets other answers than the service's come; returns the list of requests that they were given to."""
    requests: list[httpx2.Request] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        requests.append(request)
        return responses[len(requests) - 1]

    client._http = httpx2.Client(transport=httpx2.MockTransport(handle), base_url="http://test")
    return requests


def busy() -> httpx2.Response:
    error = {"code": "busy", "message": "wait", "request_id": "1"}
    return httpx2.Response(503, json={"error": error}, headers={"Retry-After": "7"})


def test_a_busy_service_is_asked_again_after_its_time(monkeypatch):
    slept = []
    monkeypatch.setattr("efficientfan.client.time.sleep", slept.append)
    with Client(retries=2) as client:
        requests = answering(client, busy(), busy(), httpx2.Response(200, json={"models": []}))
        assert client.models() == []
        assert (len(requests), slept) == (3, [7.0, 7.0])
        requests = answering(client, busy(), busy(), busy())
        with pytest.raises(ServiceError, match="503: wait"):
            client.models()
        assert len(requests) == 3


def test_answers_of_something_else_are_errors():
    with Client() as client:
        answering(client, httpx2.Response(502, text="<html>"))
        with pytest.raises(ServiceError, match="502: the answer is not the service's"):
            client.models()
