"""Does a training run that is killed at a random moment and resumed end as the one that was not disturbed?

    python benchmarks/training/kills.py --count 50 --folder /dev/shm --folder /var/tmp --record    # and writes kills.csv

In each folder (name some on different file systems) a tiny network learns drawn faces, with a checkpoint after every
step: once undisturbed, then --count times with a SIGKILL to all of its processes at a random moment, some twice, and
--resume. Temporary files (TMPDIR) of each folder's runs are on the next one's file system. Compared, bit by bit: the
tensors of model.safetensors, also between the folders. After each kill the checkpoint must be whole or not there yet,
and nothing temporary may be left at the end. The exit code is 1 if anything differs.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track
from safetensors.numpy import load_file

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "helpers"))

sys.path.insert(0, str(Path(__file__).parents[1]))
from drawn_faces import write_drawn_300w
from tables import cell, write_rows  # of the folder above

RESULTS = Path(__file__).with_name("kills.csv")
HELPERS = Path(__file__).parents[2] / "tests" / "helpers"

SETTINGS = ["train.checkpoint_steps=1", "train.epochs=6"]


@dataclass(frozen=True)
class Trial:
    """A run that was killed: the steps that its checkpoints had (0: none yet), and what was wrong at the end."""

    steps: tuple[int, ...]
    wrong: str


def start(data: Path, out: Path, temporary: Path, *options: str) -> subprocess.Popen[bytes]:
    """A run as a process group of its own; messages go to a file beside its folder."""
    paths = os.pathsep.join(filter(None, (str(HELPERS), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths, "TMPDIR": str(temporary)}
    with out.with_suffix(".log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, str(HELPERS / "tiny_training.py"), str(data), str(out), *options, *SETTINGS],
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def undisturbed(data: Path, out: Path, temporary: Path) -> tuple[float, float]:
    """Train to the end; the seconds to the first checkpoint, and to the end."""
    started = time.perf_counter()
    process = start(data, out, temporary)
    while not (out / "checkpoints" / "last.ckpt").exists() and process.poll() is None:
        time.sleep(0.01)
    first = time.perf_counter() - started
    if process.wait():
        sys.exit(f"the undisturbed run failed:\n{out.with_suffix('.log').read_text()[-2000:]}")
    return first, time.perf_counter() - started


def steps_in(checkpoint: Path) -> int:
    """The steps of a checkpoint; 0 where there is none; raises whatever a damaged one makes torch raise."""
    return int(torch.load(checkpoint, weights_only=True)["global_step"]) if checkpoint.exists() else 0


def disturbed(
    data: Path, out: Path, temporary: Path, whole: Path, times: tuple[float, float], chance: random.Random
) -> Trial:
    """Kill a run once or twice, resume it, and compare."""
    first, end = times
    last, steps, n_kills = out / "checkpoints" / "last.ckpt", [], 1 + (chance.random() < 0.3)
    while len(steps) < n_kills:
        process = start(data, out, temporary, *(["--resume"] if last.exists() else []))
        try:
            if code := process.wait(chance.uniform(0.3 * first, end)):
                return Trial(tuple(steps), failure(out, code))
            shutil.rmtree(out)  # it ended before its time came: once more
            steps.clear()
            continue
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        try:
            steps.append(steps_in(last))
        except Exception as error:
            return Trial(tuple(steps), f"a damaged checkpoint ({error})")
    for part in out.rglob(".part-*"):
        os.utime(part, (0, 0))  # as if a while had passed: younger ones are let be
    code = start(data, out, temporary, *(["--resume"] if last.exists() else [])).wait()
    if code:
        return Trial(tuple(steps), failure(out, code))
    left = [str(path) for path in out.rglob(".part-*")]
    return Trial(tuple(steps), f"left over: {left}" if left else difference(whole, out))


def failure(out: Path, code: int) -> str:
    return f"exit code {code}: {out.with_suffix('.log').read_text()[-300:]}"


def difference(first: Path, second: Path) -> str:
    """What differs in the models of two runs; empty where they are the same, bit by bit."""
    expected, found = (load_file(folder / "model.safetensors") for folder in (first, second))
    if expected.keys() != found.keys():
        return "tensors of other names"
    unequal = [name for name in expected if expected[name].tobytes() != found[name].tobytes()]
    return f"{len(unequal)} of {len(expected)} tensors differ" if unequal else ""


def file_system(folder: Path) -> str:
    """Its kind, such as "tmpfs"."""
    found = subprocess.run(["stat", "-f", "-c", "%T", folder], capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=50, help="runs that are killed, in each folder")
    parser.add_argument(
        "--folder", type=Path, action="append", required=True, help="may be given several times"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--record", action="store_true", help="write the figures to benchmarks/training/kills.csv"
    )
    args = parser.parse_args()
    homes = [Path(tempfile.mkdtemp(prefix="kills-", dir=folder)) for folder in args.folder]
    chance, failed = random.Random(args.seed), False
    rows = [
        "| folder | file system | undisturbed | killed | steps at the kills | bit-equal |",
        "|---|---|--:|--:|---|--:|",
    ]
    wholes: list[Path] = []
    figures = []
    try:
        for number, home in enumerate(homes):
            data, temporary = write_drawn_300w(home / "data", train=30), homes[(number + 1) % len(homes)]
            whole = home / "whole"
            times = undisturbed(data, whole, temporary)
            wholes.append(whole)
            trials = []
            for trial in track(range(args.count), f"{args.folder[number]}", console=Console(stderr=True)):
                out = home / f"run-{trial}"
                trials.append(disturbed(data, out, temporary, whole, times, chance))
                if trials[-1].wrong:
                    print(f"{args.folder[number]}, run {trial}: {trials[-1].wrong}")
                shutil.rmtree(out)
            equal = sum(not trial.wrong for trial in trials)
            steps = [step for trial in trials for step in trial.steps]
            rows.append(
                f"| {args.folder[number]} | {file_system(home)} | {times[1]:.0f} s | {len(steps)} times "
                f"| {min(steps)} to {max(steps)}, {len(set(steps))} different | {equal} of {args.count} |"
            )
            failed |= equal < args.count
            row = {
                "file_system": file_system(home),
                "runs": args.count,
                "bit_equal": equal,
                "kills": len(steps),
                "first_step": min(steps),
                "last_step": max(steps),
                "different_steps": len(set(steps)),
                "undisturbed_s": round(times[1]),
            }
            figures.append({column: cell(value) for column, value in row.items()})
        print("\n".join(rows))
        for whole in wholes[1:]:
            unequal = difference(wholes[0], whole)
            print(f"undisturbed runs of the folders: {unequal or 'bit-equal'}")
            failed |= bool(unequal)
        if args.record:
            write_rows(RESULTS, figures)
    finally:
        for home in homes:
            shutil.rmtree(home, ignore_errors=True)
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
