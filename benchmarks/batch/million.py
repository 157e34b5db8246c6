"""Do a million photos cost a hundred times as much as ten thousand? No network: made-up predictions go through the
list reader, the plan, the writer with its journal, the plan of a resumed run, and the reader.

    python benchmarks/batch/million.py --photos 10000 100000 1000000 --folder SCRATCH --record  # adds to million.csv

Prints microseconds of processor time per photo of each step, the seconds of "write" by the clock (with the waiting for
the disk), and the most memory. Each size runs in a process of its own. The photos do not exist, and the journal says
so: looking for a missing file costs as much as looking at one.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from efficientfan.batch import (
    RunInfo,
    ShardFolder,
    WeightsInfo,
    listed_photos,
    open_sharded_run,
    shard_format,
    unique_photos,
)
from efficientfan.formats.parquet import read_parquet
from efficientfan.formats.records import Record
from efficientfan.predict.many import Workers
from efficientfan.schema import get_schema
from efficientfan.structures import Face

sys.path.insert(0, str(Path(__file__).parents[1]))
from tables import add_rows  # of the folder above

RESULTS = Path(__file__).with_name("million.csv")
INFO = RunInfo(WeightsInfo("made up", None), WeightsInfo("made up", None))
SCHEMA = get_schema("ibug68")
STEPS = ("list", "plan", "write", "plan again", "read")


def made_up(path: str, number: int, base: np.ndarray) -> Record:
    """A photo with one face, whose numbers do not compress."""
    points = base[number % len(base)] + np.float32(number % 997)
    scores = base[(number + 1) % len(base), :, 0]
    visibility = base[(number + 2) % len(base)].repeat(2, axis=1)[:, :3]
    face = Face(
        points[:2].ravel(), points, scores, SCHEMA, visibility, "made up", 0.0, points[2:4].ravel(), 0.5
    )
    return Record(path, 640, 480, "made up", SCHEMA, [face])


def measure(n_photos: int, folder: Path, file_format: str) -> dict[str, float]:
    """Seconds of each step, the most memory in MB, and the bytes that were written."""
    told: dict[str, float] = {}

    @contextmanager
    def step(name: str) -> Iterator[None]:
        started, clock = time.process_time(), time.perf_counter()
        yield
        told[name] = time.process_time() - started
        told[f"{name} by the clock"] = time.perf_counter() - clock
        told["MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    listing = "".join(f"archive/{n // 1000:04}/photo_{n:07}.jpg\n" for n in range(n_photos)).encode()
    base = np.random.default_rng(0).uniform(0, 1, (512, 68, 2)).astype(np.float32)
    out = ShardFolder(folder, file_format)
    shards = shard_format(file_format, SCHEMA, INFO.to_dict(), photos_per_shard=1000)
    with step("list"):
        photos = unique_photos(listed_photos(listing, "list"))
    del listing
    started = time.process_time()
    with Workers(1) as workers, open_sharded_run(out, INFO, photos, shards, photos_per_shard=1000) as run:
        told["plan"] = time.process_time() - started
        with step("write"):
            for number, photo in enumerate(run.photos(workers)):
                run.add(made_up(photo.path, number, base))
    with (
        step("plan again"),
        open_sharded_run(out, INFO, photos, shards, photos_per_shard=1000, resume=True) as run,
    ):
        if (run.plan.n_done, run.plan.n_photos) != (n_photos, 0):
            sys.exit(f"{run.plan.n_done} of {n_photos} photos are done, {run.plan.n_photos} are left")
    del photos, run
    with step("read"):
        if file_format == "parquet":
            n_read = sum(1 for path in sorted(folder.glob("*.parquet")) for _ in read_parquet(path))
        else:
            n_read = sum(1 for path in sorted(folder.glob("*.jsonl")) for _ in path.open("rb"))
    if n_read != n_photos:
        sys.exit(f"{n_read} rows were read of {n_photos}")
    told["bytes"] = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return told


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--format", default="parquet", choices=["parquet", "jsonl"])
    parser.add_argument("--folder", type=Path, required=True, help="where to write; it is removed at the end")
    parser.add_argument(
        "--record", action="store_true", help="add the figures to benchmarks/batch/million.csv"
    )
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(measure(arguments.photos[0], arguments.folder, arguments.format)))
        return
    print(
        "| photos |",
        " | ".join(f"{step}, us" for step in STEPS),
        "| write, s by the clock | MB in memory | bytes per photo |",
    )
    print("|---" * (len(STEPS) + 4) + "|")
    for n_photos in arguments.photos:
        folder = arguments.folder / f"million_{n_photos}"
        shutil.rmtree(folder, ignore_errors=True)
        try:
            command = [sys.executable, __file__, "--child", "--photos", str(n_photos)]
            options = ["--format", arguments.format, "--folder", str(folder)]
            child = subprocess.run([*command, *options], check=True, capture_output=True, text=True)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        told = json.loads(child.stdout)
        if arguments.record:
            row = {
                "format": arguments.format,
                "photos": f"{n_photos:07}",
                **{f"{step.replace(' ', '_')}_us": round(told[step] / n_photos * 1e6, 1) for step in STEPS},
                "write_clock_s": round(told["write by the clock"]),
                "memory_mb": round(told["MB"]),
                "bytes_per_photo": round(told["bytes"] / n_photos),
            }
            add_rows(RESULTS, [row], ["format", "photos"])
        cells = [f"{told[step] / n_photos * 1e6:.1f}" for step in STEPS]
        print(
            f"| {n_photos:,} |",
            " | ".join(cells),
            f"| {told['write by the clock']:.0f} | {told['MB']:.0f} | {told['bytes'] / n_photos:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
