"""What a service is set to: its models and its limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from efficientfan.errors import InputError, check_number, check_threads

__all__ = ["ServiceSettings"]


@dataclass(frozen=True)
class ServiceSettings:
    """Models and limits of a service.

    Attributes:
        models: names or files of the landmark models that requests may name; the first is the one without a name.
        detector: as for `efficientfan.load`.
        backend, device, precision: of the landmark models, as for `efficientfan.load`.
        threads: in all, one per photo; None takes the cores that this process may use.
        queue: most photos that wait; a request that would add more is answered 503.
        batch: most photos whose faces go through a network together.
        max_bytes: of a request's body.
        max_held_bytes: of the bodies of all requests at once; what would exceed it is answered 503. As many may wait of
            answers that clients do not take; beyond, the connection of the largest is cut.
        max_pixels: of a photo, by its header; half of it for WebP.
        max_faces: of a photo: the largest found ones; more boxes than that are refused.
        max_batch: photos of a request to `/v1/batch`.
        max_connections: open at once.
        upload_seconds: for the body of a request to arrive.
        header_seconds: for its head to arrive, and for the rest of a body that was refused.
        answer_seconds: from the arrival of a body to its answer.
        download_seconds: for a client to take an answer; then its connection is cut.
        untrusted: decode photos in child processes of limited memory and time (`GuardedReader`), one per thread.
        decode_seconds: that a child may take for one photo.
        drain_seconds: between the signal to stop and the end of listening: answers close their connections meanwhile,
            and `/readyz` says 503.
        token: what requests must bear, as `Authorization: Bearer TOKEN`; None lets everybody in.
        cors: origins whose pages may read answers; none by default.
        page: folder of a built browser page, served at `/`; None takes that of this installation, if it has one.

    Raises:
        InputError: no model, or a number out of its limits.
    """

    models: tuple[str, ...] = ("default",)
    detector: str = "auto"
    backend: str | None = None
    device: str = "cpu"
    precision: str = "f32"
    threads: int | None = None
    queue: int = 64
    batch: int = 8
    max_bytes: int = 32 * 2**20
    max_held_bytes: int = 256 * 2**20
    max_pixels: int = 25_000_000
    max_faces: int = 100
    max_batch: int = 16
    max_connections: int = 512
    upload_seconds: float = 30.0
    header_seconds: float = 10.0
    answer_seconds: float = 30.0
    download_seconds: float = 60.0
    untrusted: bool = True
    decode_seconds: float = 10.0
    drain_seconds: float = 1.0
    token: str | None = field(default=None, repr=False)
    cors: tuple[str, ...] = ()
    page: Path | None = None

    def __post_init__(self) -> None:
        if not self.models:
            raise InputError("a service needs a model")
        for name in ("queue", "batch", "max_pixels", "max_faces", "max_batch", "max_connections"):
            check_number(name, getattr(self, name), 1, whole=True)
        for name in ("max_bytes", "max_held_bytes"):
            check_number(name, getattr(self, name), 1, whole=True)
        for name in (
            "upload_seconds",
            "header_seconds",
            "answer_seconds",
            "download_seconds",
            "decode_seconds",
        ):
            check_number(name, getattr(self, name), 0.01)
        check_number("drain_seconds", self.drain_seconds, 0)
        check_threads(self.threads)
        if self.max_batch > self.queue:
            raise InputError(f"max_batch is at most queue ({self.queue}), not {self.max_batch}")
        if self.max_bytes > self.max_held_bytes:
            raise InputError(
                f"max_bytes is at most max_held_bytes ({self.max_held_bytes}), not {self.max_bytes}"
            )
        if self.token is not None and not (
            self.token.isascii() and self.token.isprintable() and self.token.strip()
        ):
            raise InputError("a token (EFFICIENTFAN_TOKEN) is printable ASCII text that is not blank")
