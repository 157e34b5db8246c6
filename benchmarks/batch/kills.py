"""Is a run that is killed and resumed the run that was not disturbed, and what do writer and journal cost?

    python benchmarks/batch/kills.py PHOTOS... --count 20000 --kills 3 --folder SCRATCH --record -- --model fast

The photos are linked under new names until there are so many. One run goes through, and its memory is looked at;
another is killed by SIGKILL at random moments and resumed after each. Compared are the rows of both: every photo
exactly once, bit for bit. What follows `--` is passed to both runs. --record adds the figures to kills.csv.
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parents[1]))
from memory import resident_mb
from tables import add_rows  # both of the folder above

RESULTS = Path(__file__).with_name("kills.csv")
COMMAND = [sys.executable, "-m", "efficientfan.cli.main", "predict"]


def link_photos(sources: list[str], folder: Path, count: int) -> None:
    """So many names in `folder`, each a link to one of the photos."""
    photos = [
        path
        for source in map(Path, sources)
        for path in (sorted(source.rglob("*")) if source.is_dir() else [source])
        if path.suffix.lower() in (".jpg", ".jpeg", ".png")
    ]
    folder.mkdir(parents=True)
    for number in range(count):
        photo = photos[number % len(photos)]
        (folder / f"{number:06}{photo.suffix}").symlink_to(photo.resolve())


def start(photos: Path, out: Path, log: Path, options: list[str]) -> subprocess.Popen[bytes]:
    """A run into `out`, its messages in `log`."""
    arguments = [str(photos), "--out", str(out), "--format", "parquet", "--resume", "--timing", *options]
    with log.open("ab") as stream:
        return subprocess.Popen([*COMMAND, *arguments], stdout=stream, stderr=stream)


def finish(process: subprocess.Popen[bytes], log: Path) -> list[float]:
    """Wait for a run; its memory (RSS) in MB, twice a second."""
    megabytes = []
    while process.poll() is None:
        megabytes.append(resident_mb(process.pid))
        time.sleep(0.5)
    if process.returncode not in (0, 1):  # 1: some photos could not be used
        sys.exit(f"the run failed:\n{log.read_text()[-2000:]}")
    return megabytes


def n_shards(out: Path) -> int:
    return len(list(out.glob("*.parquet")))


def table_of(out: Path) -> pa.Table:
    return pa.concat_tables(pq.read_table(path) for path in sorted(out.glob("*.parquet")))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", nargs="+", help="photos, or folders of photos")
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, required=True, help="where to write; removed at the end")
    parser.add_argument("--record", action="store_true", help="add the figures to benchmarks/batch/kills.csv")
    own = sys.argv[1:]
    options = own[own.index("--") + 1 :] if "--" in own else []
    arguments = parser.parse_args(own[: own.index("--")] if "--" in own else own)
    folder: Path = arguments.folder / "kills"
    shutil.rmtree(folder, ignore_errors=True)
    photos, whole, killed = folder / "photos", folder / "whole", folder / "killed"
    link_photos(arguments.photos, photos, arguments.count)

    started = time.perf_counter()
    megabytes = finish(start(photos, whole, folder / "whole.log", options), folder / "whole.log")
    seconds = time.perf_counter() - started
    third = len(megabytes) // 3
    early, late = (max(each, default=0.0) for each in (megabytes[third : 2 * third], megabytes[2 * third :]))
    print(f"undisturbed: {arguments.count:,} photos, {n_shards(whole)} shards, {seconds:.0f} s")
    print(f"most memory: {early:.0f} MB in the middle third of the run, {late:.0f} MB in the last")
    log = (folder / "whole.log").read_text()
    write = re.search(r"write\D+([\d.]+)\D+([\d.]+)%", log)
    if write:
        print(f"writer and journal: {write[1]} s, {write[2]} % of the stages' time")

    generator = random.Random(arguments.seed)
    moments = sorted(generator.uniform(0.05, 0.85) * seconds for _ in range(arguments.kills))
    n_kills = 0
    for before, moment in zip([0.0, *moments], moments, strict=False):
        process = start(photos, killed, folder / "killed.log", options)
        time.sleep(moment - before)
        process.kill()
        died = process.wait()
        n_kills += died == -signal.SIGKILL  # else it ended before its time came
        print(f"killed after {moment - before:.1f} s (exit {died}): {n_shards(killed)} shards are there")
    finish(start(photos, killed, folder / "killed.log", options), folder / "killed.log")

    first, second = table_of(whole), table_of(killed)
    once = Counter(
        image
        for image, face in zip(second["image"].to_pylist(), second["face"].to_pylist(), strict=True)
        if not face
    )
    complete = set(once.values()) == {1} and len(once) == arguments.count
    print(f"every photo exactly once: {complete}")
    print(f"rows are the same, bit for bit: {first.equals(second)} ({len(first):,} rows)")
    names = sorted(path.name for path in whole.glob("*.parquet"))
    same = sum((whole / name).read_bytes() == (killed / name).read_bytes() for name in names)
    print(f"files that are the same, byte for byte: {same} of {len(names)}")
    shutil.rmtree(folder)
    if arguments.record:
        row = {
            "photos": arguments.count,
            "options": " ".join(options),
            "seconds": round(seconds),
            "writer_percent": write and write[2],
            "memory_middle_mb": round(early),
            "memory_end_mb": round(late),
            "kills": n_kills,
            "photos_once": complete,
            "rows_equal": first.equals(second),
            "files": len(names),
            "files_equal": same,
        }
        add_rows(RESULTS, [row], ["options"])
    if not first.equals(second) or not complete:
        sys.exit(1)


if __name__ == "__main__":
    main()
