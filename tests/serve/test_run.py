"""A service on a real port: slow and greedy clients, the end of the process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx2
import pytest
import uvicorn
from uvicorn.server import ServerState

from efficientfan.serve import ServiceSettings, running
from efficientfan.serve.connections import limited_connections

MiB = 2**20


@contextmanager
def connected(address: str) -> Iterator[socket.socket]:
    url = urlsplit(address)
    with socket.create_connection((url.hostname, url.port), timeout=30) as connection:
        yield connection


def head(length: int | str, **headers: str) -> bytes:
    lines = {"Host": "a", "Content-Type": "image/jpeg", "Content-Length": length} | headers
    return (
        b"POST /v1/faces HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items()).encode() + b"\r\n"
    )


def answer(connection: socket.socket) -> tuple[int, dict]:
    """Status and JSON of the answer, after which the connection is closed or idle."""
    file = connection.makefile("rb")
    status = int(file.readline().split()[1])
    length = 0
    while (line := file.readline().strip()) != b"":
        name, _, value = line.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    return status, json.loads(file.read(length))


def is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


@pytest.fixture(scope="module")
def impatient(settings_of):
    """The address of a service with little patience."""
    with running(settings_of(header_seconds=0.2, upload_seconds=0.2, max_bytes=MiB)) as address:
        yield address


def test_a_head_that_drips_is_cut_off(impatient):
    with connected(impatient) as connection:
        connection.sendall(b"POST /v1/faces HTTP/1.1\r\nHost: a\r\nX: ")
        status, table = answer(connection)
        assert (status, table["error"]["code"]) == (408, "slow_request")
        assert is_closed(connection)


def test_a_connection_that_says_nothing_is_cut_off(impatient):
    with connected(impatient) as connection:
        assert answer(connection)[0] == 408
        assert is_closed(connection)


def test_a_second_head_that_drips_is_cut_off(impatient, photo):
    with connected(impatient) as connection:
        connection.sendall(head(len(photo)) + photo)
        assert answer(connection)[0] == 200
        connection.sendall(b"GET /healthz HT")
        assert answer(connection)[0] == 408


def test_a_body_that_drips_is_cut_off(impatient):
    with connected(impatient) as connection:
        connection.sendall(head(1000) + b"x")
        status, table = answer(connection)
        assert (status, table["error"]["code"]) == (408, "slow_request")
        assert is_closed(connection)


def test_a_gigabyte_is_refused_before_it_is_sent(impatient):
    with connected(impatient) as connection:
        connection.sendall(head(2**30))
        status, table = answer(connection)
        assert (status, table["error"]["code"]) == (413, "too_large")
        assert is_closed(connection)  # for it does not come, either


def test_a_client_that_sends_far_too_much_still_reads_its_answer(impatient):
    with connected(impatient) as connection:
        connection.sendall(head(8 * MiB) + bytes(8 * MiB))
        assert answer(connection)[0] == 413


def test_an_endless_body_is_refused(impatient):
    with connected(impatient) as connection:
        connection.sendall(head("", **{"Transfer-Encoding": "chunked"}).replace(b"Content-Length: \r\n", b""))
        chunk = b"%x\r\n" % (MiB // 2) + bytes(MiB // 2) + b"\r\n"
        for _ in range(3):
            connection.sendall(chunk)
        status, table = answer(connection)
        assert (status, table["error"]["code"]) == (413, "too_large")


def test_a_client_that_asks_first_is_told_before_it_sends(impatient):
    with connected(impatient) as connection:
        connection.sendall(head(2**30, Expect="100-continue"))
        assert answer(connection)[0] == 413


def test_what_is_not_http_is_refused(impatient):
    with connected(impatient) as connection:
        connection.sendall(b"\x16\x03\x01 is not HTTP\r\n\r\n")
        status, table = answer(connection)
        assert (status, table["error"]["code"]) == (400, "bad_request")


def test_connections_are_limited(settings_of):
    with running(settings_of(max_connections=1)) as address, connected(address) as first:
        first.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert answer(first) == (200, {"alive": True})
        with connected(address) as second:
            status, table = answer(second)
            assert (status, table["error"]["code"]) == (503, "busy")


def test_a_client_that_leaves_is_not_worked_for(settings_of, photo):
    with running(settings_of()) as address:
        with connected(address) as connection:
            connection.sendall(head(len(photo)) + photo[:10])
        deadline = time.monotonic() + 30
        while 'status="499"' not in (text := httpx2.get(f"{address}/metrics").text):
            assert time.monotonic() < deadline, text
        assert "efficientfan_upload_bytes_held 0.0" in text


ANSWER = 32 * MiB
"""Bytes of an answer; systems keep a few of them for a client that does not read."""


async def long_answer(scope, receive, send):
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": bytes(ANSWER)})


async def connections_left(settings: ServiceSettings, left: int) -> None:
    """Two clients that do not read: return as soon as so many connections are left."""
    state = ServerState()
    config = uvicorn.Config(long_answer, log_config=None)
    config.load()
    kind = limited_connections(settings)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: kind(config, state, {}), "127.0.0.1", 0)
    address = server.sockets[0].getsockname()[:2]
    with socket.create_connection(address) as first, socket.create_connection(address) as second:
        for client in (first, second):
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        while state.total_requests < 2 or len(state.connections) > left:
            await asyncio.sleep(0.005)
    server.close()
    while state.connections:
        await asyncio.sleep(0.005)


def test_clients_that_do_not_take_their_answers_are_cut_off(settings_of):
    settings = settings_of(download_seconds=0.1)
    asyncio.run(asyncio.wait_for(connections_left(settings, 0), 30))


def test_answers_that_nobody_takes_do_not_fill_the_memory(settings_of):
    settings = settings_of(max_held_bytes=ANSWER + ANSWER // 4)
    asyncio.run(asyncio.wait_for(connections_left(settings, 1), 30))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
def test_sigterm_finishes_what_was_accepted(model_file, photo):
    options = ["--model", str(model_file), "--detector", "whole", "--threads", "1", "--port", "0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "efficientfan.cli.main", "serve", *options, "--drain-seconds", "0.3"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"EFFICIENTFAN_TOKEN": "t"},
    )
    try:
        first = json.loads(process.stdout.readline())
        assert (first["event"], first["models"]) == ("listening", ["tiny"])
        with connected(first["address"]) as before, connected(first["address"]) as during:
            before.sendall(head(len(photo), Authorization="Bearer t") + photo[:100])
            assert httpx2.get(f"{first['address']}/readyz").status_code == 200
            process.send_signal(signal.SIGTERM)
            while json.loads(process.stdout.readline())["event"] != "draining":
                pass
            during.sendall(head(len(photo), Authorization="Bearer t") + photo)
            assert answer(during)[0] == 200
            assert is_closed(during)
            while True:  # until it listens no more
                try:
                    with connected(first["address"]):
                        time.sleep(0.02)
                except ConnectionError:
                    break
            before.sendall(photo[100:])
            assert answer(before)[0] == 200
        out, errors = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, errors
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["status"] for line in lines if line.get("path") == "/v1/faces"] == [200, 200]
    assert "Traceback" not in out + errors
