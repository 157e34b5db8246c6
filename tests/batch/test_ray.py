"""`efficientfan batch` on real Ray: on this machine alone, and on two nodes of which one is killed."""

from __future__ import annotations

import functools
import itertools
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tiny_model import disc_photo

from efficientfan.formats.parquet import read_parquet
from efficientfan.formats.records import FailedPhoto
from efficientfan.imaging import write_image

pytest.importorskip("ray", reason="needs the extra batch")

RunCommand = Callable[..., tuple[int, str, str]]
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}
"""Of all processes, besides a token that nobody else has: Ray's own default is to write one to the home folder."""
STORE = "100000000"
"""Bytes of a node's object store."""


@pytest.fixture(autouse=True)
def _own_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text(secrets.token_hex(32))
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))


def write_photos(folder: Path, count: int) -> None:
    """Photos of one disc each; number 3 is broken."""
    for number in range(count):
        write_image(folder / f"{number:02}.png", disc_photo((40 + 5 * number, 60, 15)))
    (folder / "03.png").write_bytes(b"nothing")


def batch_command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "efficientfan.cli.main", "batch", *map(str, arguments)]


def run_batch(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        batch_command(*arguments), env={**os.environ, **QUIET}, capture_output=True, text=True
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("faces-*.parquet"))}


def test_the_files_of_the_one_machine_command_and_each_goes_on_with_the_others_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model_file: Path, run_command: RunCommand
) -> None:
    monkeypatch.chdir(tmp_path)
    write_photos(tmp_path / "photos", 7)
    options = ("--model", model_file, "--detector", "whole", "--shard-size", 3)
    code, _, err = run_command("predict", "photos", "--out", "one", "--format", "parquet", *options)
    assert code == 1, err
    expected = contents(Path("one"))
    assert len(expected) == 3

    # The middle shard is lost: Ray does it again, and finds no other difference in the run.
    lost = Path("one/faces-000001.parquet")
    lost.unlink()
    done = run_batch("photos", "--out", "one", "--workers", 1, "--resume", *options)
    assert done.returncode == 1, done.stderr
    assert "resumed: 4 photos are done" in done.stderr
    assert "error: photos/03.png: " in done.stderr
    assert "Warning" not in done.stderr
    assert contents(Path("one")) == expected

    code, _, err = run_command(
        "predict", "photos", "--out", "one", "--format", "parquet", "--resume", *options
    )
    assert code == 1
    assert "resumed: 7 photos are done (1 of them failed); 0 to do" in err


@contextmanager
def ray_node(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`ray start`, until the end of the block; a busy machine may need several starts."""
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats"]
    said: list[str] = []
    for _ in range(4):
        node = subprocess.Popen(
            [*command, "--object-store-memory", STORE, *arguments],
            env={**os.environ, **QUIET, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert node.stdout is not None
        try:
            for line in node.stdout:
                said.append(line)
                if "Ray runtime started" in line:
                    yield node
                    return
        finally:
            kill(node)
            node.stdout.close()
    raise AssertionError("".join(said))


def kill(node: subprocess.Popen[str]) -> None:
    """SIGKILL to all processes of a node."""
    import psutil

    try:
        family = [*psutil.Process(node.pid).children(recursive=True), psutil.Process(node.pid)]
    except psutil.NoSuchProcess:
        return
    for process in family:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    node.wait()


class SlowServer(ThreadingHTTPServer):
    """A web server that takes its time for each photo of a folder, and from the fifth on waits until two are fetched
    at once, so that a slow second node comes in time.

    Attributes:
        active: photos that are being fetched.
    """

    def __init__(self, folder: Path, seconds: float) -> None:
        self.active: set[str] = set()
        server, two, asked = self, threading.Event(), itertools.count(1)

        class Slow(SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                server.active.add(self.path)
                if len(server.active) > 1:
                    two.set()
                if next(asked) > 4:
                    two.wait(60)
                time.sleep(seconds)
                server.active.remove(self.path)
                super().do_GET()

            def log_message(self, *_: Any) -> None:
                """Nothing."""

        super().__init__(("127.0.0.1", 0), functools.partial(Slow, directory=str(folder)))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SlowServer]:
    write_photos(tmp_path / "photos", 24)
    with SlowServer(tmp_path / "photos", 0.2) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ray_address() -> str:
    """This machine's address as Ray has it; a driver puts it in the place of 127.0.0.1."""
    code = "import ray; print(ray.util.get_node_ip_address())"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


POISON = """
import os, sys
import ray.data
from efficientfan.batch import Chunk, ClusterOptions, PhotoEntry, Work, on_cluster, results_on_ray
from efficientfan.formats.records import FailedPhoto
from efficientfan.predict import Photo

class Poisoned(Work):
    def __call__(self, photos):
        if any(photo.path == "bad" for photo in photos):
            os._exit(1)
        return [FailedPhoto(photo.path, "fine") for photo in photos], [PhotoEntry(p.path, None, False) for p in photos]

chunks = [Chunk(0, [Photo(n, n) for n in "ab"]), Chunk(1, [Photo("c", "c"), Photo("bad", "bad"), Photo("d", "d")])]
options = ClusterOptions(address=sys.argv[1], tries=0)
with on_cluster(options):
    for each in results_on_ray(chunks, Poisoned(None, None, 1), options):
        print(each.chunk.number, *(f"{r.image}={r.reason}" for r in each.results), sep="; ")
    print("2;", ray.data.read_parquet(sys.argv[2]).sum("n_faces"), "faces")
"""


def test_two_nodes_of_which_one_is_killed(
    tmp_path: Path, model_file: Path, server: SlowServer, run_command: RunCommand
) -> None:
    """Nothing is lost and nothing comes twice; a photo that kills its process costs itself alone. Ray reads a folder
    of results."""
    options = ("--model", model_file, "--detector", "whole", "--shard-size", 10)
    written = tmp_path / "written"
    run_command("predict", tmp_path / "photos", "--out", written, "--format", "parquet", *options)
    urls = tmp_path / "urls.txt"
    urls.write_text("".join(f"{server.url}/{number:02}.png\n" for number in range(24)))
    out = tmp_path / "results"
    port = str(free_port())
    address = f"{ray_address()}:{port}"
    with ray_node("--head", "--port", port, "--num-cpus", "1", "--include-dashboard", "false"):
        poisoned = subprocess.run(
            [sys.executable, "-c", POISON, address, str(written)],
            env={**os.environ, **QUIET},
            capture_output=True,
            text=True,
        )
        # Ray says there, too, that a process has died.
        assert [line for line in poisoned.stdout.splitlines() if line[:2] in ("0;", "1;", "2;")] == [
            "0; a=fine; b=fine",
            "1; c=fine; bad=bad: the process that read it died, 1 times; d=fine",
            "2; 23 faces",
        ], poisoned.stderr

        with ray_node("--address", address, "--num-cpus", "1") as second:
            command = batch_command(
                "--list", urls, "--out", out, "--address", address, "--model", model_file,
                "--detector", "whole", "--shard-size", 2,
            )  # fmt: skip
            batch = subprocess.Popen(
                command,
                env={**os.environ, **QUIET},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            # A task takes one core and reads one photo at a time: of two photos, the second node reads one.
            while not contents(out) or len(server.active) < 2:
                assert batch.poll() is None, batch.communicate()
                time.sleep(0.05)
            kill(second)
            _, err = batch.communicate()
    assert batch.returncode == 1, err  # the broken photo
    results = [result for path in sorted(out.glob("faces-*.parquet")) for result in read_parquet(path)]
    assert [result.image for result in results] == urls.read_text().splitlines()
    failed = [result for result in results if isinstance(result, FailedPhoto)]
    assert [result.image for result in failed] == [f"{server.url}/03.png"]
    assert "24 images, 23 faces, 1 failed" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "faces", "--retry-failed"], "--retry-failed goes with --resume"),
        (["--out", "faces.parquet"], "faces.parquet: is to be a folder of parquet files"),
    ],
)
def test_misuse(run_command: RunCommand, arguments: list[str], message: str) -> None:
    code, _, err = run_command("batch", "photos", *arguments)
    assert code == 2
    assert message in err
