"""Loads `efficientfan serve` over loopback: requests per second, latencies, refusals, memory, losses at the end.

    python benchmarks/service/load.py --seconds 600              # 1. as fast as the service answers
    python benchmarks/service/load.py --seconds 600 --rate 28    # 2. at 80 % of that: latencies
    python benchmarks/service/load.py --seconds 600 --rate 70    # 3. at twice that: refusals and memory

It starts the service as a process of its own, with the options after `--`, and stops it with SIGTERM under load. The
photo is a 1280 x 720 JPEG file with one face, drawn from scikit-image's astronaut. Without --rate each of --clients
asks again as soon as it is answered; with it, requests start at that rate, answered or not, so that a slow answer
delays no other one. --record adds the figures to load.csv.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO, cast

import httpx2
import numpy as np
from PIL import Image
from skimage.data import astronaut

sys.path.insert(0, str(Path(__file__).parents[1]))
from memory import resident_mb
from tables import add_rows  # both of the folder above

JPEG = {"Content-Type": "image/jpeg"}


def photo_720p() -> bytes:
    """A JPEG file of 1280 x 720 pixels with one face."""
    portrait = Image.fromarray(astronaut()[:400, 50:450]).resize((720, 720), Image.Resampling.LANCZOS)
    photo = Image.fromarray(np.full((720, 1280, 3), 96, np.uint8))
    photo.paste(portrait, (280, 0))
    file = io.BytesIO()
    photo.save(file, "jpeg", quality=90)
    return file.getvalue()


@dataclass
class Tally:
    """What has happened.

    Attributes:
        statuses: answers by HTTP status.
        seconds: of each answer with status 200.
        lost: requests that got no answer, though the connection had been made: by kind of error.
        refused: requests whose connection was not made, since the service listens no more.
        rss: (seconds since the start, MB) of the service's process.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    lost: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    rss: list[tuple[float, float]] = field(default_factory=list)


async def ask(client: httpx2.AsyncClient, photo: bytes, tally: Tally) -> None:
    started = time.perf_counter()
    try:
        response = await client.post("/v1/faces", content=photo, headers=JPEG)
    except httpx2.ConnectError:
        tally.refused += 1
        return
    except httpx2.TransportError as error:
        tally.lost[type(error).__name__] += 1
        return
    tally.statuses[response.status_code] += 1
    if response.status_code == 200:
        tally.seconds.append(time.perf_counter() - started)
        if len(response.json()["faces"]) != 1:
            raise SystemExit(f"not one face: {response.text[:200]}")


async def closed_loop(
    client: httpx2.AsyncClient, photo: bytes, tally: Tally, n_clients: int, stop: asyncio.Event
) -> None:
    async def go_on() -> None:
        while not stop.is_set():
            before = tally.statuses[503]
            await ask(client, photo, tally)
            if tally.statuses[503] > before or tally.refused:
                await asyncio.sleep(0.05)

    await asyncio.gather(*(go_on() for _ in range(n_clients)))


async def open_loop(
    client: httpx2.AsyncClient, photo: bytes, tally: Tally, rate: float, stop: asyncio.Event
) -> None:
    running: set[asyncio.Task[None]] = set()
    started, number = time.perf_counter(), 0
    while not stop.is_set():
        number += 1
        await asyncio.sleep(max(0.0, started + number / rate - time.perf_counter()))
        task = asyncio.create_task(ask(client, photo, tally))
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)


def family(process: int) -> list[int]:
    """A process and its children; empty where the system does not say."""
    try:
        children = [
            int(child)
            for task in Path(f"/proc/{process}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    except OSError:
        return []
    return [process, *(each for child in children for each in family(child))]


def cpu_seconds(process: int) -> float:
    """Processor time that a process and its children have taken."""
    ticks = 0
    for each in family(process):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def rss_mb(process: int) -> float:
    """Resident memory of a process and its children, in MB."""
    return sum(map(resident_mb, family(process)))


async def load(address: str, process: subprocess.Popen[str], args: argparse.Namespace) -> Tally:
    tally, photo, stop = Tally(), photo_720p(), asyncio.Event()
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx2.AsyncClient(base_url=address, timeout=60, limits=limits) as client:
        for _ in range(4):  # the first requests make buffers
            await ask(client, photo, tally)
        tally, cpu = Tally(), cpu_seconds(process.pid)
        loop = (
            closed_loop(client, photo, tally, args.clients, stop)
            if args.rate is None
            else open_loop(client, photo, tally, args.rate, stop)
        )
        task, started = asyncio.create_task(loop), time.perf_counter()
        while (passed := time.perf_counter() - started) < args.seconds and not task.done():
            tally.rss.append((passed, rss_mb(process.pid)))
            await asyncio.sleep(min(args.seconds / 20, args.seconds - passed))
        cpu = cpu_seconds(process.pid) - cpu
        report(tally, passed, cpu)
        if args.record:
            add_rows(
                Path(__file__).with_name("load.csv"),
                [figures(tally, passed, cpu, args.rate)],
                key=["load", "service"],
            )
        process.send_signal(signal.SIGTERM)  # under load
        answered = tally.statuses.total()
        while process.poll() is None and not task.done():
            await asyncio.sleep(0.05)
        stop.set()
        await task
        print(
            f"after SIGTERM: {tally.statuses.total() - answered} answered, lost {dict(tally.lost) or 'none'}"
        )
    return tally


def report(tally: Tally, seconds: float, cpu: float) -> None:
    print(
        f"{seconds:.0f} s; {tally.statuses[200] / seconds:.1f} requests/s answered; statuses {dict(tally.statuses)}"
    )
    if tally.seconds:
        p50, p99 = np.percentile(tally.seconds, [50, 99]) * 1e3
        print(f"latency of 200: p50 {p50:.0f} ms, p99 {p99:.0f} ms, most {max(tally.seconds) * 1e3:.0f} ms")
    if tally.statuses[200]:
        print(f"processor time per answer: {cpu / tally.statuses[200] * 1e3:.1f} ms")
    print("RSS, MB at s:", ", ".join(f"{mb:.0f} at {passed:.0f}" for passed, mb in tally.rss))


def figures(tally: Tally, seconds: float, cpu: float, rate: float | None) -> dict[str, object]:
    """The row of load.csv, which misses what happens after SIGTERM."""
    p50, p99 = np.percentile(tally.seconds or [np.nan], [50, 99]) * 1e3
    memory = [mb for _, mb in tally.rss]
    early = memory[: max(1, len(memory) // 10)]
    return {
        "load": "all that it answers" if rate is None else f"{rate:g} requests/s",
        "service": " ".join(sys.argv[sys.argv.index("--") + 1 :]) if "--" in sys.argv else "",
        "seconds": seconds,
        "answered_per_s": tally.statuses[200] / seconds,
        "shed_per_s": tally.statuses[503] / seconds,
        "other": tally.statuses.total() - tally.statuses[200] - tally.statuses[503],
        "p50_ms": float(p50),
        "p99_ms": float(p99),
        "cpu_ms": 1e3 * cpu / max(1, tally.statuses[200]),
        "rss_mb_early": max(early),
        "rss_mb_late": max(memory[-max(1, len(memory) // 10) :]),
        "lost": sum(tally.lost.values()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument(
        "--rate", type=float, help="requests per second; without it, as fast as they are answered"
    )
    parser.add_argument("--clients", type=int, default=8, help="that ask at once, where there is no --rate")
    parser.add_argument(
        "--record", action="store_true", help="add the figures to benchmarks/service/load.csv"
    )
    parser.add_argument("serve", nargs="*", help="options of efficientfan serve, after --")
    args = parser.parse_args()
    command = [sys.executable, "-m", "efficientfan.cli.main", "serve", "--port", "0", *args.serve]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            log = cast("TextIO", process.stdout)
            line = log.readline()
            if not line:
                raise SystemExit("the service does not start")
            tally = asyncio.run(with_log(log, load(json.loads(line)["address"], process, args)))
        finally:
            process.terminate()
    print(f"exit code {process.returncode}")
    if tally.lost or process.returncode:
        raise SystemExit(1)


async def with_log(log: TextIO, loading: Coroutine[Any, Any, Tally]) -> Tally:
    """Reads the service's log meanwhile, so that its pipe does not fill."""
    reading = asyncio.create_task(asyncio.to_thread(log.read))
    tally = await loading
    await reading
    return tally


if __name__ == "__main__":
    main()
