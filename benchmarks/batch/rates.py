"""How fast is `efficientfan batch` on this machine's Ray beside `efficientfan predict`, once both have started?

    python benchmarks/batch/rates.py PHOTOS... --count 4000 --cores 2 --folder SCRATCH --record

The photos are linked under new names until there are so many. Both commands write the same shards with as many cores,
in turns. A rate is that of the photos between the moment at which --cores shards had been written and the end, so that
neither a start nor the model's first run counts. --record adds the figures to rates.csv.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from kills import link_photos

sys.path.insert(0, str(Path(__file__).parents[1]))
from tables import add_rows  # of the folder above

RESULTS = Path(__file__).with_name("rates.csv")
SHARD = 50


def rate(command: list[str], photos: Path, out: Path, n_done: int, count: int) -> tuple[float, float]:
    """Photos per second after the first `n_done` photos, and seconds of the whole command."""
    arguments = [str(photos), "--out", str(out), "--shard-size", str(SHARD), *command[1:]]
    started = time.time()
    done = subprocess.run(
        [sys.executable, "-m", "efficientfan.cli.main", command[0], *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    seconds = time.time() - started
    if done.returncode not in (0, 1):  # 1: some photos could not be used
        sys.exit(f"{command[0]} failed:\n{done.stderr[-2000:]}")
    written = sorted(path.stat().st_mtime for path in out.glob("faces-*.parquet"))
    shutil.rmtree(out)
    first = n_done // SHARD
    return (count - n_done) / (written[-1] - written[first - 1]), seconds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", nargs="+", help="photos, or folders of photos")
    parser.add_argument("--count", type=int, default=4000)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", default="fast")
    parser.add_argument("--folder", type=Path, required=True, help="where to write; removed at the end")
    parser.add_argument("--record", action="store_true", help="add the figures to benchmarks/batch/rates.csv")
    arguments = parser.parse_args()
    if arguments.count % SHARD or arguments.count < 4 * SHARD * arguments.cores:
        parser.error(f"--count is a multiple of {SHARD}, and at least {4 * SHARD * arguments.cores}")
    folder: Path = arguments.folder / "rates"
    shutil.rmtree(folder, ignore_errors=True)
    link_photos(arguments.photos, folder / "photos", arguments.count)
    model, cores = ["--model", arguments.model], str(arguments.cores)
    commands = {
        "predict": ["predict", "--format", "parquet", "--threads", cores, *model],
        "batch": ["batch", "--workers", cores, *model],
    }
    rates: dict[str, list[float]] = {name: [] for name in commands}
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(arguments.rounds):
        for name, command in commands.items():
            found = rate(command, folder / "photos", folder / name, SHARD * arguments.cores, arguments.count)
            rates[name].append(found[0])
            seconds[name].append(found[1])
            print(f"round {number + 1}: {name}: {found[0]:.1f} photos per second, {found[1]:.0f} s in all")
    shutil.rmtree(folder)
    ratios = [ray / one for ray, one in zip(rates["batch"], rates["predict"], strict=True)]
    print(f"batch has {median(ratios):.0%} of the rate of predict ({min(ratios):.0%} to {max(ratios):.0%})")
    if arguments.record:
        row = {
            "photos": arguments.count,
            "cores": arguments.cores,
            "model": arguments.model,
            "rounds": arguments.rounds,
            "predict_per_second": round(median(rates["predict"]), 1),
            "batch_per_second": round(median(rates["batch"]), 1),
            "ratio": round(median(ratios), 3),
            "least_ratio": round(min(ratios), 3),
            "predict_s": round(median(seconds["predict"])),
            "batch_s": round(median(seconds["batch"])),
        }
        add_rows(RESULTS, [row], ["cores", "model"])


if __name__ == "__main__":
    main()
