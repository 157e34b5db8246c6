"""Requests to the service: photos and forms that are damaged, and options that are."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tiny_model import write_model

from fuzzing.images import drawn_images
from fuzzing.mutations import damaged

__all__ = ["Upload", "Uploads", "drawn_upload"]

OPTIONS = {
    "boxes": "[[20, 10, 50, 60]]",
    "min_score": "0.5",
    "max_faces": "3",
    "pose": "true",
    "crop": "arcface",
    "crop_size": "64",
    "crop_margin": "0.1",
    "model": "tiny",  # of another service: 404, as documented
}


@dataclass(frozen=True)
class Upload:
    """A POST request. As bytes: a line of JSON, then the body."""

    path: str
    query: dict[str, str]
    content_type: str
    body: bytes

    def __bytes__(self) -> bytes:
        return json.dumps([self.path, self.query, self.content_type]).encode() + b"\n" + self.body

    @classmethod
    def from_bytes(cls, content: bytes) -> Upload:
        """The inverse of `bytes`; other bytes are a body."""
        head, _, body = content.partition(b"\n")
        try:
            path, query, kind = json.loads(head)
            assert (type(path), type(query), type(kind)) == (str, dict, str)
            assert path.startswith("/")
            kind.encode("ascii")
        except (AssertionError, ValueError, TypeError):
            return cls("/v1/faces", {}, "image/jpeg", content)
        return cls(path, {name: str(value) for name, value in query.items()}, kind, body)


def drawn_upload(files: list[bytes], chance: Random) -> Upload:
    """An upload of one of the files, bare or in a form, with damage."""
    content, other = chance.choice(files), chance.choice(files)
    query = {name: OPTIONS[name] for name in chance.sample(sorted(OPTIONS), chance.randrange(4))}
    if query and chance.random() < 0.3:
        name = chance.choice(sorted(query))
        query[name] = damaged(query[name].encode(), b"]]}}nan,1e999", chance).decode("latin-1")[:2000]
    if chance.random() < 0.5:
        return Upload("/v1/faces", query, "image/jpeg", damaged(content, other, chance))
    path, field = chance.choice([("/v1/faces", b"image"), ("/v1/batch", b"images")])
    body = (
        b'--edge\r\nContent-Disposition: form-data; name="' + field + b'"; filename="a.jpg"\r\n\r\n' + content
    )
    body += b'\r\n--edge\r\nContent-Disposition: form-data; name="pose"\r\n\r\ntrue\r\n--edge--\r\n'
    return Upload(path, query, "multipart/form-data; boundary=edge", damaged(body, other, chance))


class Uploads:
    """A service of the tiny model within this process: each upload gets an answer that is documented."""

    seconds, megabytes = 10.0, 256.0

    def __init__(self, folder: Path) -> None:
        from fastapi.testclient import TestClient

        from efficientfan.serve import ServiceSettings, create_app

        model = write_model(folder / "tiny.onnx")
        settings = ServiceSettings(
            (str(model),), detector="whole", threads=1, untrusted=False, drain_seconds=0, max_pixels=1 << 20
        )
        logging.getLogger("python_multipart").setLevel(logging.ERROR)
        self._client = TestClient(create_app(settings), raise_server_exceptions=False)
        self._client.__enter__()
        self._files = drawn_images()

    def draw(self, chance: Random) -> bytes:
        return bytes(drawn_upload(self._files, chance))

    def run(self, content: bytes) -> None:
        from efficientfan.errors import InputError
        from efficientfan.serve import REFUSALS

        upload = Upload.from_bytes(content)
        answer = self._client.post(
            upload.path,
            params=upload.query,
            content=upload.body,
            headers={"Content-Type": upload.content_type},
        )
        if answer.status_code == 200:
            assert answer.json().keys() & {"faces", "results"}
            return
        error = answer.json()["error"]
        assert answer.status_code < 500, error
        assert REFUSALS[error["code"]][0] == answer.status_code, error
        raise InputError(error["message"])

    def close(self) -> None:
        """End the service's threads."""
        self._client.__exit__(None, None, None)
