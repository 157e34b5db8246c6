"""Damages inputs of one kind or several for as long as wanted: each must be taken, or refused as documented.

    python benchmarks/fuzz.py images --count 1000000            # photos of every format
    python benchmarks/fuzz.py --all --count 100000              # every kind; --list names them
    python benchmarks/fuzz.py --all --seed 1 --record           # other inputs; adds to fuzz.csv, by kind and seed
    python benchmarks/fuzz.py packed --only 1234                # one input again, with its traceback
    python benchmarks/fuzz.py packed --input fuzz/packed-0-1234.bin
    python benchmarks/fuzz.py packed --coverage --seconds 3600  # guided by coverage; needs: pip install atheris

The inputs are those of tests/fuzz, which tries the first of seed 0. They run in a process of their own: one that takes
longer or more memory than its kind allows, or ends its process, is wrong too. Inputs that are wrong are written to
--folder; the exit code is then 1.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import resource
import sys
import tempfile
import time
import warnings
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

from fuzzing import ACCEPTED, KINDS, REFUSED, case, judge, opened
from tables import Row, add_rows

RESULTS = Path(__file__).with_name("fuzz.csv")
SCRATCH = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""Where inputs become files: in memory, where there is such a place, each takes a third of the time."""

GUARD_BYTES = 4 << 30
"""Of address space beyond what a process has at its start, so that no input takes the machine down."""


@dataclass
class Tally:
    """What has become of a kind's inputs.

    Attributes:
        outcomes: count of ACCEPTED, REFUSED and "wrong".
        wrong: number of an input -> what was wrong; the first hundred.
        slowest: (seconds, number).
        largest: (megabytes by which it raised the memory, number).
        seconds: of the whole run, without the starts of its processes.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    wrong: dict[int, str] = field(default_factory=dict)
    slowest: tuple[float, int] = (0.0, -1)
    largest: tuple[float, int] = (0.0, -1)
    seconds: float = 0.0

    def add(self, number: int, outcome: str, seconds: float, megabytes: float) -> None:
        """Count one input."""
        self.slowest = max(self.slowest, (seconds, number))
        self.largest = max(self.largest, (megabytes, number))
        if outcome in (ACCEPTED, REFUSED):
            self.outcomes[outcome] += 1
            return
        self.outcomes["wrong"] += 1
        if len(self.wrong) < 100:
            self.wrong[number] = outcome


def memory_mb(key: str) -> float:
    """A line of this process's memory, such as "VmHWM", in MB; 0 where the system does not say."""
    with contextlib.suppress(OSError), open("/proc/self/status") as file:
        for line in file:
            if line.startswith(key):
                return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def forget_peak() -> None:
    """Let VmHWM begin anew."""
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def work(name: str, seed: int, numbers: range, folder: str, results: Connection) -> None:
    """Judge these inputs in this process, and send (number, outcome, seconds, megabytes) of each."""
    os.environ["EFFICIENTFAN_CACHE"] = folder
    warnings.simplefilter("ignore")
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 2)  # decoders in C complain there
    with opened(name, Path(folder)) as kind:
        for number in (-2, -1):  # what is imported and kept with the first ones is not theirs
            judge(kind, case(kind, seed, number))
        limit = int(memory_mb("VmSize") * 1e6) + GUARD_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        results.send(None)
        for number in numbers:
            content = case(kind, seed, number)
            forget_peak()
            before, started = memory_mb("VmRSS"), time.perf_counter()
            outcome = judge(kind, content)
            seconds, more = time.perf_counter() - started, memory_mb("VmHWM") - before
            if outcome in (ACCEPTED, REFUSED) and more > kind.megabytes:
                outcome = f"took {more:.0f} MB, more than {kind.megabytes:.0f}"
            if outcome in (ACCEPTED, REFUSED) and seconds > kind.seconds:
                outcome = f"took {seconds:.1f} s, more than {kind.seconds:.0f}"
            results.send((number, outcome, seconds, more))


def run_kind(name: str, seed: int, count: int, seconds: float, progress: Progress) -> Tally:
    """Inputs 0 to `count` of a kind, in child processes: another one after each that was lost."""
    tally, number = Tally(), 0
    task = progress.add_task(name, total=count)
    while number < count and tally.seconds < seconds:
        with tempfile.TemporaryDirectory(dir=SCRATCH) as folder:
            ours, theirs = multiprocessing.Pipe(duplex=False)
            ready = time.perf_counter()
            child = multiprocessing.get_context("spawn").Process(
                target=work, args=(name, seed, range(number, count), folder, theirs)
            )
            child.start()
            theirs.close()
            try:
                if not ours.poll(300):
                    raise TimeoutError
                ours.recv()
                ready = time.perf_counter()
                while number < count and tally.seconds + time.perf_counter() - ready < seconds:
                    if not ours.poll(60):
                        tally.add(number, "no end within 60 s", 60.0, 0.0)
                        number += 1
                        break
                    tally.add(*ours.recv())
                    number += 1
                    progress.update(
                        task, completed=number, description=f"{name}, {tally.outcomes['wrong']} wrong"
                    )
            except EOFError:
                child.join()
                if tally.outcomes.total() == 0 and number == 0 and child.exitcode == 1:
                    sys.exit(f"{name}: does not start; see python benchmarks/fuzz.py {name} --only 0")
                tally.add(number, f"its process ended with {child.exitcode}", 0.0, 0.0)
                number += 1
            finally:
                tally.seconds += time.perf_counter() - ready
                child.kill()
                child.join()
    return tally


def save(name: str, seed: int, tally: Tally, folder: Path) -> None:
    """Write the inputs that were wrong, and print each with the command that runs it again."""
    if not tally.wrong:
        return
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, opened(name, Path(scratch)) as kind:
        for number, what in tally.wrong.items():
            path = folder / f"{name}-{seed}-{number}.bin"
            path.write_bytes(case(kind, seed, number))
            print(f"{name} {number}: {what}\n    python benchmarks/fuzz.py {name} --input {path}")


def table(tallies: dict[str, Tally]) -> str:
    rows = [
        "| kind | inputs | accepted | refused | wrong | slowest | most memory | inputs/s |",
        "|---|" + "--:|" * 7,
    ]
    for name, tally in tallies.items():
        outcomes, total = tally.outcomes, tally.outcomes.total()
        rows.append(
            f"| {name} | {total:,} | {outcomes[ACCEPTED]:,} | {outcomes[REFUSED]:,} | {outcomes['wrong']:,} "
            f"| {tally.slowest[0]:.2f} s (no. {tally.slowest[1]}) | {tally.largest[0]:.0f} MB (no. {tally.largest[1]}) "
            f"| {total / max(tally.seconds, 1e-9):.0f} |"
        )
    return "\n".join(rows)


def record(tallies: dict[str, Tally], seed: int) -> None:
    """Add a row for each kind to `RESULTS`, in place of one with the same seed."""
    rows: list[Row] = [
        {
            "kind": name,
            "seed": seed,
            "inputs": tally.outcomes.total(),
            "accepted": tally.outcomes[ACCEPTED],
            "refused": tally.outcomes[REFUSED],
            "wrong": tally.outcomes["wrong"],
            "slowest_s": round(tally.slowest[0], 2),
            "most_mb": round(tally.largest[0]),
            "per_second": round(tally.outcomes.total() / max(tally.seconds, 1e-9)),
        }
        for name, tally in tallies.items()
    ]
    add_rows(RESULTS, rows, ["kind", "seed"])


def once(name: str, content: bytes | None, seed: int, number: int) -> None:
    """One input, in this process, with the traceback of whatever it raises."""
    with tempfile.TemporaryDirectory() as folder, opened(name, Path(folder)) as kind:
        content = case(kind, seed, number) if content is None else content
        print(f"{len(content)} bytes: {content[:300]!r}")
        print(outcome := judge(kind, content))
        if outcome not in (ACCEPTED, REFUSED):
            kind.run(content)
            sys.exit(1)


def by_coverage(name: str, seed: int, count: int, seconds: float, folder: Path) -> None:
    """libFuzzer keeps the inputs that reach new lines of the package, and changes them; it begins with drawn ones."""
    try:
        import atheris
    except ImportError:
        sys.exit("--coverage needs atheris, which has wheels for Linux: pip install atheris")
    loaded = [module for module in sys.modules if module.split(".")[0] == "efficientfan"]
    for module in loaded:  # so that they are imported anew, with their lines counted
        del sys.modules[module]
    for module in [module for module in sys.modules if module.split(".")[0] == "fuzzing"]:
        del sys.modules[module]
    with atheris.instrument_imports(include=["efficientfan"]):
        import fuzzing
    corpus = folder / f"corpus-{name}"
    corpus.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, fuzzing.opened(name, Path(scratch)) as kind:
        for number in range(20):
            (corpus / f"drawn-{number}").write_bytes(fuzzing.case(kind, seed, number))

        def test(content: bytes) -> None:
            outcome = fuzzing.judge(kind, content)
            if outcome not in (fuzzing.ACCEPTED, fuzzing.REFUSED):
                print(f"{outcome}\n    python benchmarks/fuzz.py {name} --input FILE  # see below")
                raise RuntimeError(outcome)

        options = [
            f"-runs={count}",
            f"-seed={seed + 1}",
            f"-artifact_prefix={folder}/{name}-",
            "-rss_limit_mb=6000",
        ]
        if seconds != float("inf"):
            options.append(f"-max_total_time={int(seconds)}")
        atheris.Setup(
            [sys.argv[0], *options, f"-timeout={int(kind.seconds)}", "-max_len=65536", str(corpus)], test
        )
        atheris.Fuzz()  # ends the process


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--all", action="store_true", help="every kind, one after the other")
    parser.add_argument("--list", action="store_true", help="print the kinds and end")
    parser.add_argument("--count", type=int, default=10_000, help="inputs of each kind")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="for each kind at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="number of one input, which runs in this process")
    parser.add_argument("--input", type=Path, help="a file to be run as input")
    parser.add_argument("--coverage", action="store_true", help="guided by coverage, with atheris")
    parser.add_argument("--folder", type=Path, default=Path("fuzz"), help="for inputs that are wrong")
    parser.add_argument("--record", action="store_true", help="add the figures to benchmarks/fuzz.csv")
    args = parser.parse_args()
    if args.list:
        print("\n".join(KINDS))
        return
    names = list(KINDS) if args.all else args.kinds
    if not names or not set(names) <= set(KINDS):
        parser.error(f"name kinds, or --all; known are {', '.join(KINDS)}")
    if args.only is not None or args.input is not None:
        once(names[0], args.input and args.input.read_bytes(), args.seed, args.only)
        return
    if args.coverage:
        by_coverage(names[0], args.seed, args.count, args.seconds, args.folder)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    tallies: dict[str, Tally] = {}
    with Progress(*columns, console=Console(stderr=True)) as progress:
        for name in names:
            tallies[name] = run_kind(name, args.seed, args.count, args.seconds, progress)
            if args.record:  # of each kind as it is done: the next one may take hours
                record({name: tallies[name]}, args.seed)
    for name, tally in tallies.items():
        save(name, args.seed, tally, args.folder)
    print(table(tallies))
    if any(tally.wrong for tally in tallies.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
