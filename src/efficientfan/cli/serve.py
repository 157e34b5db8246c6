"""`efficientfan serve`: the HTTP service."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from efficientfan.cli.options import BackendOption, DeviceOption, PrecisionOption, message_console
from efficientfan.cli.terms import print_terms
from efficientfan.errors import needs_extra

__all__ = ["TOKEN_VARIABLE", "serve_command"]

TOKEN_VARIABLE = "EFFICIENTFAN_TOKEN"  # its name, not a token
"""Environment variable with the token that requests must bear; not an option, which other users could read."""


def serve_command(
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines in: set a token first.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes any that is free.")
    ] = 8000,
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="A packaged model's name, an .onnx file or a checkpoint; may be given several times. Requests "
            "that name none get the first.",
            show_default="default",
        ),
    ] = None,
    detector: Annotated[
        str, typer.Option(help="auto or facefinder, yunet, haar, whole, or an .onnx detector.")
    ] = "auto",
    backend: BackendOption = None,
    device: DeviceOption = "cpu",
    precision: PrecisionOption = "f32",
    threads: Annotated[
        int | None,
        typer.Option(
            min=1, help="Photos that are worked on at once, a thread each.", show_default="all cores"
        ),
    ] = None,
    queue: Annotated[
        int, typer.Option(min=1, help="Most photos that wait; requests beyond are answered 503.")
    ] = 64,
    batch: Annotated[
        int, typer.Option(min=1, help="Most photos whose faces go through the network together.")
    ] = 8,
    max_bytes: Annotated[int, typer.Option(min=1, help="Refuse larger bodies (413).")] = 32 * 2**20,
    max_held_bytes: Annotated[
        int,
        typer.Option(min=1, help="Bodies of all requests in memory; what would exceed it is answered 503."),
    ] = 256 * 2**20,
    max_pixels: Annotated[
        int, typer.Option(min=1, help="Refuse photos of more pixels, before decoding them (422).")
    ] = 25_000_000,
    max_faces: Annotated[
        int,
        typer.Option(min=1, help="Keep the largest so many found faces of a photo; refuse more boxes (422)."),
    ] = 100,
    max_batch: Annotated[int, typer.Option(min=1, help="Most photos of one request to /v1/batch.")] = 16,
    max_connections: Annotated[int, typer.Option(min=1, help="Most open connections.")] = 512,
    header_seconds: Annotated[
        float, typer.Option(min=0.01, help="For a request's head to arrive, else 408.")
    ] = 10.0,
    upload_seconds: Annotated[
        float, typer.Option(min=0.01, help="For a request's body to arrive, else 408.")
    ] = 30.0,
    answer_seconds: Annotated[
        float, typer.Option(min=0.01, help="From a body's arrival to its answer, else 503.")
    ] = 30.0,
    download_seconds: Annotated[
        float, typer.Option(min=0.01, help="For a client to take its answer, else its connection is cut.")
    ] = 60.0,
    untrusted: Annotated[
        bool,
        typer.Option(
            "--untrusted/--trusted",
            help="Decode photos in child processes of limited memory and time, one per thread; or, a little faster, in "
            "the service itself, for photos of your own.",
        ),
    ] = True,
    decode_seconds: Annotated[
        float, typer.Option(min=0.01, help="With --untrusted: for decoding one photo, else 422.")
    ] = 10.0,
    drain_seconds: Annotated[
        float,
        typer.Option(
            min=0,
            help="After SIGTERM, listen on so long: /readyz says 503, and answers close their connections.",
        ),
    ] = 1.0,
    cors: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ORIGIN",
            help="Let pages of this origin (https://example.org) read answers; may be given several times.",
            show_default="none",
        ),
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="A browser page that scripts/page has built, served at /.",
            show_default="that of this installation",
        ),
    ] = None,
) -> None:
    """Serve an HTTP API: photos in, faces out. Needs the extra `serve`.

    POST a photo to /v1/faces, several to /v1/batch; /v1/models, /healthz, /readyz, /metrics (Prometheus) and
    /openapi.json are there, too. The log goes to standard output, one JSON object per line. SIGTERM and Ctrl-C finish
    what was accepted.

    Where the environment has EFFICIENTFAN_TOKEN, requests need the header "Authorization: Bearer TOKEN".

    Examples:

        efficientfan serve --model default --model fast

        curl -F image=@photo.jpg -F pose=true http://127.0.0.1:8000/v1/faces
    """
    with needs_extra("serve", "the service needs"):
        from efficientfan.serve import ServiceSettings, create_app, run

    settings = ServiceSettings(
        models=tuple(model or ("default",)),
        detector=detector,
        backend=backend,
        device=device,
        precision=precision,
        threads=threads,
        queue=queue,
        batch=batch,
        max_bytes=max_bytes,
        max_held_bytes=max_held_bytes,
        max_pixels=max_pixels,
        max_faces=max_faces,
        max_batch=max_batch,
        max_connections=max_connections,
        header_seconds=header_seconds,
        upload_seconds=upload_seconds,
        answer_seconds=answer_seconds,
        download_seconds=download_seconds,
        untrusted=untrusted,
        decode_seconds=decode_seconds,
        drain_seconds=drain_seconds,
        token=os.environ.get(TOKEN_VARIABLE),
        cors=tuple(cors or ()),
        page=page,
    )
    app = create_app(settings)
    console = message_console()
    print_terms(console, *(predictor.spec for predictor in app.state.service.predictors.values()))
    if settings.token is None and host not in ("127.0.0.1", "::1", "localhost"):
        console.print(f"no token: whoever reaches {host}:{port} can use the service; set {TOKEN_VARIABLE}")
    run(app, host, port)
