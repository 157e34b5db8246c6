"""Does a training run that is killed at a random moment and resumed end as the one that was not disturbed?

    python benchmarks/training/kills.py --count 50 --folder /dev/shm --folder /var/tmp --record  # and writes kills.csv

In each folder (name some on different file systems) a tiny network learns drawn faces, with a checkpoint after every
step: once undisturbed, then --count times with a SIGKILL to all of its processes at a random moment, some twice, and
--resume. Runs are forked from a process that has imported torch, which is most of what a short run costs; --jobs runs
several at once. Temporary files (TMPDIR) of each folder's runs are on the next one's file system. Compared, bit by bit:
the tensors of model.safetensors, also between the folders. After each kill the checkpoint must be whole or not there
yet, and nothing temporary may be left at the end. The exit code is 1 if anything differs.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing.context import ForkServerProcess
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


def learn(arguments: list[str], temporary: Path, log: Path) -> None:
    """A run, in a process and a process group of its own; messages go to a file."""
    import tiny_training

    os.setsid()
    os.environ["TMPDIR"], tempfile.tempdir = str(temporary), None
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.argv = ["tiny_training.py", *arguments]
    tiny_training.main()


def start(data: Path, out: Path, temporary: Path, *options: str) -> ForkServerProcess:
    """A run, its messages in a file beside its folder."""
    arguments = [str(data), str(out), *options, *SETTINGS]
    process = multiprocessing.get_context("forkserver").Process(
        target=learn, args=(arguments, temporary, out.with_suffix(".log"))
    )
    process.start()
    return process


def wait(process: ForkServerProcess, seconds: float | None = None) -> int | None:
    """The exit code of a run; None if it goes on after so many seconds."""
    process.join(seconds)
    return process.exitcode


def kill(process: ForkServerProcess) -> None:
    """SIGKILL to all processes of a run."""
    with contextlib.suppress(ProcessLookupError):  # it has no group yet
        os.killpg(process.pid or 0, signal.SIGKILL)
    process.kill()
    process.join()


def undisturbed(data: Path, out: Path, temporary: Path) -> tuple[float, float]:
    """Train to the end; the seconds to the first checkpoint, and to the end."""
    started = time.perf_counter()
    process = start(data, out, temporary)
    while not (out / "checkpoints" / "last.ckpt").exists() and process.is_alive():
        time.sleep(0.01)
    first = time.perf_counter() - started
    if wait(process):
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
        if code := wait(process, chance.uniform(0.3 * first, end)):
            return Trial(tuple(steps), failure(out, code))
        if code == 0:  # it ended before its time came: once more
            shutil.rmtree(out)
            steps.clear()
            continue
        kill(process)
        try:
            steps.append(steps_in(last))
        except Exception as error:
            return Trial(tuple(steps), f"a damaged checkpoint ({error})")
    for part in out.rglob(".part-*"):
        os.utime(part, (0, 0))  # as if a while had passed: younger ones are let be
    code = wait(start(data, out, temporary, *(["--resume"] if last.exists() else [])))
    if code:
        return Trial(tuple(steps), failure(out, code))
    left = [str(path) for path in out.rglob(".part-*")]
    return Trial(tuple(steps), f"left over: {left}" if left else difference(whole, out))


def trial_in(
    home: Path, data: Path, temporary: Path, whole: Path, times: tuple[float, float], seed: str
) -> Trial:
    """`disturbed` in a folder that is removed."""
    out = home / f"run-{seed.replace(' ', '-')}"
    try:
        return disturbed(data, out, temporary, whole, times, random.Random(seed))
    finally:
        shutil.rmtree(out, ignore_errors=True)


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
    parser.add_argument("--jobs", type=int, default=1, help="runs at once")
    parser.add_argument(
        "--record", action="store_true", help="write the figures to benchmarks/training/kills.csv"
    )
    args = parser.parse_args()
    homes = [Path(tempfile.mkdtemp(prefix="kills-", dir=folder)) for folder in args.folder]
    failed = False
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(HELPERS), os.environ.get("PYTHONPATH"))))
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["PYTHONWARNINGS"] = "ignore:resource_tracker"  # which misses what killed runs had
    multiprocessing.get_context("forkserver").set_forkserver_preload(["tiny_training"])
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
            one = partial(trial_in, home, data, temporary, whole, times)
            seeds = [f"{args.seed} {number} {trial}" for trial in range(args.count)]
            trials = []
            with ThreadPoolExecutor(args.jobs) as pool:
                done = pool.map(one, seeds)
                for trial in track(done, f"{args.folder[number]}", args.count, console=Console(stderr=True)):
                    trials.append(trial)
                    if trial.wrong:
                        print(f"{args.folder[number]}, run {len(trials) - 1}: {trial.wrong}")
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
