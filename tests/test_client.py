"""The typed client, against a service on a real port."""

from __future__ import annotations

import gzip
import io
import itertools
import json
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
        response = responses[len(requests) - 1]
        whole = iter([response.content]) if response.is_stream_consumed else response.stream
        return httpx2.Response(response.status_code, headers=response.headers, content=whole)

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


FACE = {"box": [0, 0, 9, 9], "roll": 0, "points": [[1, 1]] * 68, "scores": [1] * 68}
PHOTO = {"image": "a", "width": 9, "height": 9, "model": "m", "schema": "ibug68", "faces": []}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"[" * 100_000,
        b"9" * 5_000,
        json.dumps(PHOTO | {"schema": "/tmp/a.json"}),
        json.dumps(PHOTO | {"schema": {}}),
        json.dumps(PHOTO | {"width": float("nan")}),
        json.dumps(PHOTO | {"faces": ["a"]}),
        json.dumps(PHOTO | {"faces": [FACE | {"points": [[1, 1]]}]}),
        json.dumps(PHOTO | {"faces": [FACE | {"roll": 10**400}]}),
        json.dumps(PHOTO | {"faces": [FACE | {"crop": "a"}]}),
        json.dumps(PHOTO | {"faces": [FACE | {"crop": 1}]}),
    ],
)
def test_wrong_answers_are_errors(image, content):
    with Client() as client:
        answering(client, httpx2.Response(200, content=content))
        with pytest.raises(ServiceError, match="200: the answer is not the service's") as error:
            client.faces(image)
        assert (error.value.code, error.value.status) == ("unreachable", 200)


def test_the_same_answer_without_damage_is_read(image):
    with Client() as client:
        answering(client, httpx2.Response(200, json=PHOTO | {"faces": [FACE]}))
        assert len(client.faces(image).faces) == 1


def test_a_batch_of_too_few_answers_is_an_error(image):
    with Client() as client:
        answering(client, httpx2.Response(200, json={"results": [PHOTO]}))
        with pytest.raises(ServiceError, match="1 results of 2 photos"):
            client.batch([image, image])


def test_an_endless_answer_is_given_up(monkeypatch, image):
    chunks = itertools.repeat(b"x" * 1000)
    with Client() as client:
        monkeypatch.setattr("efficientfan.client._MOST_BYTES", 10_000)
        answering(client, httpx2.Response(200, content=chunks))
        with pytest.raises(ServiceError, match="more than 10000 bytes"):
            client.faces(image)
    with Client(timeout=1e-9) as client:
        answering(client, httpx2.Response(200, content=chunks))
        with pytest.raises(ServiceError, match="no whole answer within"):
            client.models()


def test_a_compressed_answer_is_not_unpacked(image):
    with Client() as client:
        assert client._http.headers["Accept-Encoding"] == "identity"
        zipped = gzip.compress(json.dumps(PHOTO).encode())
        answering(client, httpx2.Response(200, content=iter([zipped]), headers={"Content-Encoding": "gzip"}))
        with pytest.raises(ServiceError, match="the answer is not the service's"):
            client.faces(image)


def test_control_characters_of_an_answer_are_escaped():
    with Client() as client:
        answering(client, httpx2.Response(500, json={"error": {"code": "internal", "message": "\x1b[2J"}}))
        with pytest.raises(ServiceError, match=r"500: \\x1b\[2J"):
            client.models()


@pytest.mark.parametrize("token", ["a\n", "é"])
def test_a_token_that_cannot_be_sent_is_refused(token):
    with pytest.raises(InputError, match="printable ASCII"):
        Client(token=token)
    with pytest.raises(InputError, match="no address"):
        Client("http://a\0b")
