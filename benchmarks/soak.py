"""Runs photos, video and the service for a long time, among faults: does memory grow, is anything lost or doubled?

    python benchmarks/soak.py --minutes 60 --record     # and writes soak.csv

Three processes work side by side with the packaged models, whose inputs are drawn from scikit-image's astronaut:

photos   `efficientfan predict FOLDER --untrusted --out FILE` again and again in one process. Photos are damaged, and
         vanish meanwhile; children that decode are killed; in some rounds files may not grow (a full disk). Each photo
         must be in the results once, or be reported once; a full disk must leave the former results.
video    `track` over a short film, whole, cut, or taken away while it is open. Frames come once, in order.
service  `efficientfan serve`; clients send photos, some of them damaged, while children that decode are killed. Each
         request gets one answer, its own; what failed because a child was killed succeeds when it is sent again.

Every second the memory (RSS) and the descriptors of each process are noted. The slope of the memory is that of a line
through the lowest values of twenty equal spans after the first fifth, with its 95 % interval; after each round, photos
and video give what the C library has free back to the system. The exit code is 1 if anything was lost, doubled or
wrong, or if a whole interval is above --slope; the slopes of less than twenty minutes say nothing and are not judged.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import io
import json
import multiprocessing
import os
import queue
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any, TextIO, cast
from unittest.mock import patch

import httpx2
import numpy as np
from memory import resident_mb
from PIL import Image
from rich.console import Console
from rich.progress import track as progress
from scipy.stats import linregress
from scipy.stats import t as student
from skimage.data import astronaut
from tables import cell, write_rows

RESULTS = Path(__file__).with_name("soak.csv")
MODEL = "fast"
N_PHOTOS = 12
N_FRAMES = 40


@dataclass
class Samples:
    """Seconds, megabytes and descriptors of a process, once a second."""

    seconds: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)

    def take(self, process: int, now: float) -> None:
        """Note how it is; nothing where it has ended."""
        with contextlib.suppress(OSError):
            megabytes = resident_mb(process)
            descriptors = len(os.listdir(f"/proc/{process}/fd"))
            if not megabytes:  # it has ended
                return
            self.seconds.append(now)
            self.megabytes.append(megabytes)
            self.descriptors.append(descriptors)

    def slope(self) -> tuple[float, float]:
        """MB per hour, and half the width of its 95 % interval; the first fifth is left out."""
        first = len(self.seconds) // 5
        spans = [each for each in np.array_split(np.arange(first, len(self.seconds)), 20) if len(each)]
        if len(spans) < 3:
            return float("nan"), float("inf")
        hours = [float(np.mean(np.take(self.seconds, span))) / 3600 for span in spans]
        line = linregress(hours, [float(np.min(np.take(self.megabytes, span))) for span in spans])
        return float(line.slope), float(student.ppf(0.975, len(spans) - 2) * line.stderr)


def portrait() -> Image.Image:
    return Image.fromarray(astronaut()[:256, 96:352])


def encoded(image: Image.Image, kind: str = "jpeg") -> bytes:
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def cut(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(1, len(content))]


def children(process: int) -> list[int]:
    """The child processes of a process."""
    with contextlib.suppress(OSError):
        tasks = Path(f"/proc/{process}/task").iterdir()
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    return []


def kill_one(process: int, chance: random.Random) -> int:
    """Kill a child that decodes photos; how many were killed."""
    decoding = [
        child
        for child in children(process)
        if b"-c" in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
    ]
    if not decoding:
        return 0
    with contextlib.suppress(OSError):
        os.kill(chance.choice(decoding), signal.SIGKILL)
    return 1


class Killer:
    """Kills a child of a process now and then: seldom enough that a new one has started meanwhile."""

    def __init__(self, process: int, chance: random.Random) -> None:
        self._process, self._chance = process, chance
        self._next = time.time()

    def __call__(self) -> int:
        """Kill one, if it is time to; how many were killed."""
        if time.time() < self._next:
            return 0
        self._next = time.time() + self._chance.uniform(4, 10)
        return kill_one(self._process, self._chance)


def give_back() -> None:
    """What is free goes back to the system, where its C library can do so."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


@contextlib.contextmanager
def beside(fault: Callable[[], None]) -> Iterator[None]:
    """Do this again and again in a thread, for as long as the block lasts."""
    over = threading.Event()

    def go_on() -> None:
        while not over.wait(0.05):
            with contextlib.suppress(OSError):
                fault()

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def photos(folder: Path, until: float, seed: int, told: Queue[Any]) -> None:
    """Rounds of `predict`; see above."""
    from efficientfan.cli.main import main

    chance, counts = random.Random(seed), Counter[str]()
    killer = Killer(os.getpid(), chance)
    source, out = folder / "photos", folder / "faces.jsonl"
    source.mkdir()
    whole = encoded(portrait())

    def round_of(limit: int) -> tuple[int, str]:
        arguments = [
            "predict",
            str(source),
            "--untrusted",
            "--model",
            MODEL,
            "--threads",
            "2",
            "--out",
            str(out),
        ]
        errors = io.StringIO()
        most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit if limit else most, most))
        try:
            with patch.object(sys, "argv", ["efficientfan", *arguments]), contextlib.redirect_stderr(errors):
                main()
        except SystemExit as end:
            return int(end.code or 0), errors.getvalue()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        return 0, errors.getvalue()

    def fault(vanishing: Path) -> None:
        if chance.random() < 0.1:
            vanishing.unlink(missing_ok=True)
        counts["children killed"] += killer()

    while time.time() < until:
        names = [f"{number:02}.jpg" for number in range(N_PHOTOS)]
        for name in names:
            damage = chance.random() < 0.2
            (source / name).write_bytes(cut(whole, chance) if damage else whole)
        full = chance.random() < 0.2
        former = out.read_bytes() if out.exists() else None
        with beside(partial(fault, source / chance.choice(names))):
            code, errors = round_of(1000 if full else 0)
        counts["rounds"] += 1
        give_back()
        if full:
            counts["full disks"] += 1
            now = out.read_bytes() if out.exists() else None
            counts["wrong"] += code != 2 or now != former
            continue
        if code not in (0, 1) or "Traceback" in errors:
            counts["wrong"] += 1
            counts["lost"] += N_PHOTOS
            print(f"photos: exit code {code}: {errors[-300:]}", file=sys.stderr)
            continue
        found = Counter(Path(json.loads(line)["image"]).name for line in out.read_text().splitlines())
        for name in names:
            reported = sum(line.count(f"{source / name}: ") for line in errors.splitlines())
            times = found[name] + reported
            counts["results"] += 1
            # One that vanished before the folder was listed is neither.
            counts["lost"] += times == 0 and (source / name).exists()
            counts["doubled"] += times > 1
    told.put(("photos", dict(counts)))


def video(folder: Path, until: float, seed: int, told: Queue[Any]) -> None:
    """Films, tracked; see above."""
    import cv2

    from efficientfan import load, track
    from efficientfan.errors import InputError

    chance, counts = random.Random(seed), Counter[str]()
    path, predictor = folder / "film.mp4", load(MODEL, threads=1)
    film, image = (
        cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25, (320, 256)),
        np.asarray(portrait()),
    )
    for number in range(N_FRAMES):
        frame = np.zeros((256, 320, 3), np.uint8)
        frame[:, number : number + 256] = image
        film.write(frame[..., ::-1])
    film.release()
    whole = path.read_bytes()
    while time.time() < until:
        fault = chance.choice(["none", "none", "cut", "gone"])
        path.write_bytes(cut(whole, chance) if fault == "cut" else whole)
        counts["films"] += 1
        give_back()
        indices = []
        try:
            for frame_of in track(path, predictor):
                indices.append(frame_of.index)
                if fault == "gone":
                    path.unlink(missing_ok=True)
        except InputError:
            counts["refused"] += 1
            counts["wrong"] += fault != "cut"
            continue
        counts["results"] += len(indices)
        counts["doubled"] += len(indices) - len(set(indices))
        counts["lost"] += fault != "cut" and N_FRAMES - len(set(indices))
        counts["wrong"] += indices != sorted(indices)
    told.put(("video", dict(counts)))


def clients(address: str, process: int, until: float, seed: int) -> Counter[str]:
    """Photos are sent to the service, whose children are killed meanwhile."""
    counts, lock, whole = Counter[str](), threading.Lock(), encoded(portrait())

    def ask(client: httpx2.Client, content: bytes, name: str) -> httpx2.Response | None:
        for _ in range(5):
            try:
                answer = client.post("/v1/faces", files={"image": (name, content)})
            except httpx2.TransportError:
                return None
            if answer.status_code != 503:
                return answer
            time.sleep(0.2)
        return answer

    def one(number: int) -> None:
        chance = random.Random(f"{seed} {number}")
        with httpx2.Client(base_url=address, timeout=60) as client:
            while time.time() < until:
                broken = chance.random() < 0.2
                content, name = (
                    b"\xff\xd8\xff" + chance.randbytes(300) if broken else whole,
                    f"{uuid.uuid4()}.jpg",
                )
                answer = ask(client, content, name)
                if not broken and answer is not None and answer.status_code != 200:
                    with lock:
                        counts["sent again"] += 1
                    answer = ask(client, content, name)
                with lock:
                    counts["results"] += 1
                    if answer is None or answer.status_code >= 500:
                        counts["lost"] += 1
                        counts["no answer" if answer is None else f"status {answer.status_code}"] += 1
                    elif broken:
                        counts["wrong"] += answer.status_code != 422
                    elif answer.status_code != 200:
                        counts["lost"] += 1
                    else:
                        table = answer.json()
                        counts["wrong"] += table["image"] != name or len(table["faces"]) != 1

    threads = [threading.Thread(target=one, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    killer = Killer(process, random.Random(seed))
    while time.time() < until:
        time.sleep(0.5)
        counts["children killed"] += killer()
    for thread in threads:
        thread.join()
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--slope", type=float, default=1.0, help="MB per hour that are allowed")
    parser.add_argument("--folder", type=Path, help="for the files; by default a temporary one")
    parser.add_argument("--record", action="store_true", help="write the figures to benchmarks/soak.csv")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="soak-", dir=args.folder))
    os.environ["EFFICIENTFAN_QUIET"] = "1"
    started = time.time()
    until = started + args.minutes * 60
    context = multiprocessing.get_context("spawn")
    told: Queue[Any] = context.Queue()
    command = [
        sys.executable,
        "-m",
        "efficientfan.cli.main",
        "serve",
        "--port",
        "0",
        "--model",
        MODEL,
        "--threads",
        "2",
    ]
    service = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    parts = {
        part.__name__: context.Process(target=part, args=(folder / part.__name__, until, args.seed, told))
        for part in (photos, video)
    }
    counts: dict[str, Counter[str]] = {}
    try:
        for name, process in parts.items():
            (folder / name).mkdir()
            process.start()
        log = cast("TextIO", service.stdout)
        address = json.loads(log.readline())["address"]
        reading = threading.Thread(
            target=deque, args=(log, 0)
        )  # keeps nothing, so that the pipe does not fill
        reading.start()

        def load_service() -> None:
            counts["service"] = clients(address, service.pid, until, args.seed)

        loading = threading.Thread(target=load_service)
        loading.start()
        processes = {**{name: process.pid or 0 for name, process in parts.items()}, "service": service.pid}
        samples = {name: Samples() for name in processes}
        for _ in progress(range(max(1, int(until - time.time()))), "soaking", console=Console(stderr=True)):
            time.sleep(1)
            for name, process in processes.items():
                samples[name].take(process, time.time() - started)
        loading.join()
        for process in parts.values():
            process.join(120)
        with contextlib.suppress(queue.Empty):  # also where one has died
            while True:
                name, found = told.get(timeout=2)
                counts[name] = Counter(found)
        service.terminate()
        code = service.wait(60)
        reading.join()
    finally:
        for process in (*parts.values(), service):
            process.kill()
        shutil.rmtree(folder, ignore_errors=True)
    report(samples, counts, code, args.slope, RESULTS if args.record else None)


def report(
    samples: dict[str, Samples],
    counts: dict[str, Counter[str]],
    code: int,
    allowed: float,
    results: Path | None,
) -> None:
    """Print the table, write its figures to `results`, and exit."""
    bad, rows = code != 0, []
    print(
        "| process | results | lost | doubled | wrong | memory at the end | slope, MB/hour | descriptors | faults |"
    )
    print("|---|" + "--:|" * 7 + "---|")
    for name, each in samples.items():
        slope, half = each.slope()
        own = counts.get(name)
        long_enough = each.seconds and each.seconds[-1] >= 1200
        bad |= own is None or bool(long_enough and slope - half > allowed)
        own = own or Counter({"told nothing": 1})
        bad |= any(own[what] for what in ("lost", "doubled", "wrong"))
        faults = ", ".join(
            f"{what} {n}" for what, n in own.items() if what not in ("results", "lost", "doubled", "wrong")
        )
        middle = each.descriptors[len(each.descriptors) // 5 :] or [0]
        figures = {
            "process": name,
            "minutes": round((each.seconds or [0])[-1] / 60),
            **{what: own[what] for what in ("results", "lost", "doubled", "wrong")},
            "memory_mb": round((each.megabytes or [0])[-1]),
            "slope_mb_per_hour": round(slope, 1),
            "slope_half_width": round(half, 1),
            "fewest_descriptors": min(middle),
            "most_descriptors": max(middle),
            "faults": faults,
        }
        rows.append({column: cell(value) for column, value in figures.items()})
        print(
            f"| {name} | {own['results']:,} | {own['lost']} | {own['doubled']} | {own['wrong']} "
            f"| {(each.megabytes or [0])[-1]:.0f} MB | {slope:+.1f} ± {half:.1f} | {min(middle)} to {max(middle)} "
            f"| {faults} |"
        )
    print(f"exit code of the service: {code}")
    if results is not None:
        write_rows(results, rows)
    sys.exit(int(bad))


if __name__ == "__main__":
    main()
